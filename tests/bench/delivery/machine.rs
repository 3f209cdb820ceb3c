//! What the figures were measured on: they mean nothing without it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use logoutd::clock::{Clock as _, SystemClock};
use serde::Serialize;

use crate::samples::median;
use crate::table::Table;

/// How often the disk is asked to make 4 KiB durable.
const SYNCS: usize = 100;

/// The machine, the build and the moment.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    pub date: String,
    pub version: &'static str,
    pub commit: String,
    pub cpu: String,
    pub cores: usize,
    pub kernel: String,
    /// The load average of the last minute, before the bench added to it.
    pub load: String,
    pub folder: String,
    pub filesystem: String,
    /// How long 4 KiB take to be durable: the median.
    pub fsync_us: f64,
    /// The bench ran in its small version.
    pub quick: bool,
}

impl Machine {
    /// `folder` is where the stores are.
    pub fn look(folder: &Path, quick: bool) -> anyhow::Result<Self> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpu = read("/proc/cpuinfo");
        let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Ok(Self {
            date: format!("{:.0}", SystemClock.now()),
            version: env!("CARGO_PKG_VERSION"),
            commit: commit().unwrap_or_else(|| "unknown".to_owned()),
            cpu: cpu.map_or("unknown", |(_, model)| model).to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            folder: folder.display().to_string(),
            filesystem: filesystem(folder)?,
            fsync_us: fsync(folder)?,
            quick,
        })
    }

    pub fn table(&self) -> Table {
        let mut table = Table::new("machine", ["", ""]);
        let disk = format!("{}, fsync {:.0} µs (median)", self.filesystem, self.fsync_us);
        let build = format!("logoutd {} at {}, {}", self.version, self.commit, self.date);
        let cpu = format!("{} × {}, load {}", self.cores, self.cpu, self.load);
        for (name, value) in [
            ("build", &build),
            ("cpu", &cpu),
            ("kernel", &self.kernel),
            ("store", &self.folder),
            ("disk", &disk),
        ] {
            table.row([name.to_owned(), value.clone()]);
        }
        if self.filesystem == "tmpfs" {
            table.note(
                "The store is in memory: what is durable costs nothing here. Name a --folder on a disk.",
            );
        }
        if self.quick {
            table.note(
                "--quick: figures from so little work are noise. They only show that everything works.",
            );
        }
        table
    }
}

fn commit() -> Option<String> {
    let run = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(["-C", env!("CARGO_MANIFEST_DIR")])
            .args(arguments)
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let changed = run(&["status", "--porcelain", "src"]).is_some_and(|it| !it.is_empty());
    let commit = run(&["rev-parse", "--short", "HEAD"])?;
    Some(if changed { format!("{commit} with changes in src") } else { commit })
}

/// The type of the filesystem a folder is on: of the longest mount point above it.
fn filesystem(folder: &Path) -> anyhow::Result<String> {
    let folder = folder.canonicalize()?;
    let mounts = fs::read_to_string("/proc/mounts")?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (point, kind) = (fields.next()?, fields.next()?);
        folder.starts_with(point).then_some((point.len(), kind))
    });
    // The last of equals hides those before it.
    Ok(mounts.max_by_key(|(length, _)| *length).map_or("unknown", |(_, kind)| kind).to_owned())
}

fn fsync(folder: &Path) -> anyhow::Result<f64> {
    let path = folder.join("fsync");
    let mut file = File::create(&path)?;
    let mut micros = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&[0x5a; 4096])?;
        file.sync_data()?;
        micros.push(began.elapsed().as_secs_f64() * 1e6);
    }
    fs::remove_file(path)?;
    Ok(median(micros).unwrap_or_default())
}
