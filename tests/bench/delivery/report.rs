//! Runs the sections and shows what they found, as they find it.

use anstream::{eprintln, println};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::bench::Bench;
use crate::machine::Machine;
use crate::options::Options;
use crate::sections;
use crate::targets::{self, Target};

/// Everything, as JSON.
#[derive(Serialize)]
struct Report {
    machine: Machine,
    sections: Map<String, Value>,
    targets: Vec<Target>,
    /// Sections that could not be measured, and why.
    failed: Map<String, Value>,
}

/// `false` if a section could not be measured.
pub async fn run(options: Options) -> anyhow::Result<bool> {
    let (json, quick) = (options.json, options.quick);
    std::fs::create_dir_all(&options.folder)?;
    let machine = Machine::look(&options.folder, quick)?;
    let show = |text: &dyn std::fmt::Display| {
        if !json {
            println!("{text}");
        }
    };
    show(&machine.table());

    let mut report = Report { machine, sections: Map::new(), targets: Vec::new(), failed: Map::new() };
    let sections = options.sections();
    let mut bench = Bench::start(options)?;
    for section in sections {
        let name = section.name();
        eprintln!("… {name}");
        match sections::run(section, &mut bench).await {
            Ok(outcome) => {
                outcome.tables.iter().for_each(|table| show(table));
                report.sections.insert(name.to_owned(), outcome.figures);
                report.targets.extend(outcome.targets);
            }
            Err(error) => {
                eprintln!("{name} could not be measured: {error:#}");
                report.failed.insert(name.to_owned(), format!("{error:#}").into());
            }
        }
    }
    show(&targets::table(&report.targets, quick));
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    }
    Ok(report.failed.is_empty())
}
