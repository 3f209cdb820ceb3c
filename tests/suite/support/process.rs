//! The binary as a process of its own, to be signalled and killed.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::TOKEN;

/// The program under test.
pub fn logoutd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_logoutd"));
    // Settings of whoever runs the tests are not the tests'.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LOGOUTD_")) {
        command.env_remove(name);
    }
    command
}

/// `logoutd serve`, running.
pub struct Serve {
    child: Child,
    log: Arc<Mutex<String>>,
    reads_log: Arc<AtomicBool>,
    pub server: String,
    pub management: String,
}

impl Serve {
    /// Starts it with the configuration at `path`, and returns when it says that it is ready.
    pub fn start(path: &Path) -> Self {
        Self::start_logging(path, "info")
    }

    /// The same, with what is logged.
    pub fn start_logging(path: &Path, directives: &str) -> Self {
        Self::start_with(path, &[("LOGOUTD_LOG", directives)])
    }

    /// The same, with more in its environment.
    pub fn start_with(path: &Path, environment: &[(&str, &str)]) -> Self {
        Self::start_command(logoutd(), path, environment)
    }

    /// The same as [`start`](Self::start), with a limit of open files that the process cannot raise.
    pub fn start_with_open_files(path: &Path, limit: u32) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")]);
        command.arg(logoutd().get_program());
        Self::start_command(command, path, &[])
    }

    /// The same, by a command that is given the arguments of `logoutd`.
    pub fn start_command(mut command: Command, path: &Path, environment: &[(&str, &str)]) -> Self {
        let (server, management) = (free_port(), free_port());
        let mut child = command
            .args(["serve", "--config"])
            .arg(path)
            .env("LOGOUTD_BOOTSTRAP_TOKEN", TOKEN)
            .env("LOGOUTD_SERVER__LISTEN", format!("127.0.0.1:{server}"))
            .env("LOGOUTD_MANAGEMENT__LISTEN", format!("127.0.0.1:{management}"))
            .env("LOGOUTD_LOG__FORMAT", "json")
            .env("LOGOUTD_LOG", "info")
            .envs(environment.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut before = String::new();
        while !before.contains("logoutd is ready") {
            let Some(Ok(line)) = log.next() else {
                panic!("it ended before it was ready: {:?}\n{before}", child.wait())
            };
            before.push_str(&line);
            before.push('\n');
        }
        // Whoever writes to a pipe nobody reads blocks in the end.
        let lines = Arc::new(Mutex::new(before));
        let reads_log = Arc::new(AtomicBool::new(true));
        let (kept, reads) = (Arc::clone(&lines), Arc::clone(&reads_log));
        std::thread::spawn(move || {
            for line in log.map_while(Result::ok).take_while(|_| reads.load(Ordering::SeqCst)) {
                let mut kept = kept.lock().unwrap();
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        let url = |port| format!("http://127.0.0.1:{port}");
        Self { child, log: lines, reads_log, server: url(server), management: url(management) }
    }

    /// Closes the pipe that it logs to, with the next line.
    pub fn stop_reading_log(&self) {
        self.reads_log.store(false, Ordering::SeqCst);
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The process.
    pub fn id(&self) -> String {
        self.child.id().to_string()
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.id()]).status().unwrap();
        assert!(status.success());
    }

    /// Kills it as a crash would: it gets to do nothing more.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Its exit status, when it has ended.
    pub fn ended(&mut self) -> ExitStatus {
        for _ in 0..600 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("it did not end within 30 seconds");
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port below those that outgoing connections take theirs from (32768 and up on Linux): under load one of
/// them would now and then take it before the process does.
fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(20_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
