//! `logoutd serve` as a process: started, looked at, killed.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anstream::eprintln;
use anyhow::{Context, bail, ensure};
use serde::Serialize;
use tokio::time::Instant;

use super::{Setup, TOKEN};
use crate::cpu;
use crate::http::Connection;

/// How long a start or an orderly end may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often a process that starts or ends is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// A running service. It is killed when this is dropped.
pub struct Service {
    child: Child,
    management: SocketAddr,
    log: PathBuf,
    /// Where events are reported.
    pub server: SocketAddr,
    /// How long it took from the start of the process until it was ready.
    pub ready_after: Duration,
}

/// What a process holds in memory.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// Now.
    pub rss_mib: f64,
    /// At most since it started.
    pub peak_mib: f64,
}

impl Service {
    /// Starts it, and returns when it is ready.
    pub async fn start(setup: &Setup) -> anyhow::Result<Self> {
        let (server, management) = (free_address()?, free_address()?);
        let log = setup.log();
        let mut command = Command::new(env!("CARGO_BIN_EXE_logoutd"));
        // Settings of whoever runs the bench are not the bench's.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LOGOUTD_")) {
            command.env_remove(name);
        }
        let began = Instant::now();
        let child = command
            .args(["serve", "--config"])
            .arg(setup.config())
            .env("LOGOUTD_BOOTSTRAP_TOKEN", TOKEN)
            .env("LOGOUTD_SERVER__LISTEN", server.to_string())
            .env("LOGOUTD_MANAGEMENT__LISTEN", management.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::options().create(true).append(true).open(&log)?)
            // A Ctrl-C is the bench's to handle.
            .process_group(0)
            .spawn()
            .context("logoutd cannot be started")?;
        let mut service = Self { child, management, log, server, ready_after: Duration::ZERO };
        service.ready(began).await?;
        service.ready_after = began.elapsed();
        Ok(service)
    }

    async fn ready(&mut self, began: Instant) -> anyhow::Result<()> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("logoutd ended at its start ({status}): {}", self.last_words());
            }
            if let Ok(mut connection) = Connection::open(self.management).await
                && let Ok(answer) = connection.get("/readyz").await
                && answer.status == 200
            {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                bail!("logoutd was not ready within {PATIENCE:?}: {}", self.last_words());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Where operators are answered.
    pub fn management(&self) -> SocketAddr {
        self.management
    }

    /// The CPU it has used.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        cpu::used(self.child.id())
    }

    /// Its memory, as the kernel counts it.
    pub fn memory(&self) -> anyhow::Result<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
            let kib: f64 = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse()?;
            anyhow::Ok(kib / 1024.0)
        };
        Ok(Memory { rss_mib: mib("VmRSS")?, peak_mib: mib("VmHWM")? })
    }

    /// Kills it as a crash would: it gets to do nothing more.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Ends it in good order. With a client that hangs, that takes as long as an attempt may.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", "TERM", &id]).status()?;
        ensure!(status.success(), "logoutd cannot be signalled");
        let began = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(began.elapsed() < PATIENCE, "logoutd did not end within {PATIENCE:?}");
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // What it says of a client is the client's fault: bad ones are part of the bench.
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let complaints: Vec<_> = log.lines().filter(|line| !line.contains("\"client_id\"")).collect();
        if let Some(last) = complaints.last() {
            eprintln!("logoutd complained {} times, the last time: {last}", complaints.len());
        }
    }
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
