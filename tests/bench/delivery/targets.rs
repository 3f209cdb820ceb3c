//! What the figures should be, and whether they are.

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::table::Table;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();

/// A figure that should be on one side of a bound.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    what: String,
    measured: f64,
    relation: Relation,
    bound: f64,
    unit: &'static str,
    met: bool,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Relation {
    AtLeast,
    AtMost,
}

impl Target {
    pub fn at_least(what: impl Into<String>, measured: f64, bound: f64) -> Self {
        let (relation, met) = (Relation::AtLeast, measured >= bound);
        Self { what: what.into(), measured, relation, bound, unit: "", met }
    }

    pub fn at_most(what: impl Into<String>, measured: f64, bound: f64) -> Self {
        let (relation, met) = (Relation::AtMost, measured <= bound);
        Self { what: what.into(), measured, relation, bound, unit: "", met }
    }

    pub fn in_unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }
}

/// All of them, met or missed.
pub fn table(targets: &[Target], quick: bool) -> Table {
    let mut table = Table::new("targets", ["", "measured", "target", ""]);
    for target in targets {
        let sign = match target.relation {
            Relation::AtLeast => '≥',
            Relation::AtMost => '≤',
        };
        let (style, mark) = if target.met { (GOOD, "✓") } else { (BAD, "✗ missed") };
        table.row([
            target.what.clone(),
            format!("{:.2}{}", target.measured, target.unit),
            format!("{sign} {}{}", target.bound, target.unit),
            format!("{style}{mark}{style:#}"),
        ]);
    }
    let missed = targets.iter().filter(|target| !target.met).count();
    table.note(match (targets.len(), missed) {
        (0, _) => "None of the sections that ran has a target.".to_owned(),
        (all, 0) => format!("All {all} targets are met."),
        (all, missed) => format!("{missed} of {all} targets are MISSED."),
    });
    if quick {
        table.note("--quick is too small to judge by.");
    }
    table
}
