//! Files that the configuration and the commands name: what is no regular file is said, and never waited for without
//! end.

use std::fs;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::support::app::Setup;
use crate::support::process::logoutd;

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// Status and standard error of a command, with this variable in its environment.
fn run(arguments: &[&str], config: &Path, variable: Option<(&str, &Path)>) -> (Option<i32>, String) {
    let mut command = logoutd();
    command.args(arguments).arg("--config").arg(config);
    if let Some((name, value)) = variable {
        command.env(name, value);
    }
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_pipe_that_nobody_writes_to_is_an_error() {
    let setup = Setup::new();
    let config = setup.write();
    let pipe = setup.folder.path().join("pipe");
    fifo(&pipe);
    let silent = "its writer did not finish within 10 seconds";
    std::thread::scope(|scope| {
        let cases = [
            scope.spawn(|| (run(&["check-config"], &pipe, None), silent)),
            scope.spawn(|| {
                (run(&["check-config"], &config, Some(("LOGOUTD_BOOTSTRAP_TOKEN_FILE", &pipe))), silent)
            }),
            scope.spawn(|| {
                let pairwise = Some(("LOGOUTD_ISSUER__PAIRWISE__SALT_FILE", pipe.as_path()));
                (run(&["check-config"], &config, pairwise), silent)
            }),
            scope.spawn(|| (run(&["serve"], &config, Some(("LOGOUTD_EGRESS__CA_FILE", &pipe))), silent)),
        ];
        for case in cases {
            let ((status, said), expected) = case.join().unwrap();
            assert!(matches!(status, Some(1 | 2)), "{status:?} {said}");
            assert!(said.contains(expected), "{said}");
        }
    });
}

/// As `<(…)` of a shell and tools that decrypt a file hand it over.
#[test]
fn a_pipe_that_somebody_writes_to_is_read() {
    let setup = Setup::new();
    let text = fs::read(setup.write()).unwrap();
    let pipe = setup.folder.path().join("pipe");
    fifo(&pipe);
    let writer = {
        let pipe = pipe.clone();
        std::thread::spawn(move || fs::write(pipe, text))
    };
    let (status, said) = run(&["check-config"], &pipe, None);
    assert_eq!((status, said.as_str()), (Some(0), ""));
    writer.join().unwrap().unwrap();
}

#[test]
fn what_is_read_again_later_must_be_a_regular_file() {
    let setup = Setup::new();
    let folder = setup.folder.path().to_owned();
    let path = |name: &str| folder.join(name).display().to_string();
    for name in ["server.pem", "server.key"] {
        fifo(&folder.join(name));
    }
    let tls =
        format!("[server.tls]\ncertificate = \"{}\"\nkey = \"{}\"", path("server.pem"), path("server.key"));
    let setup = setup.with(&tls);
    let (status, said) = run(&["check-config"], &setup.write(), None);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("it is a named pipe, and must be a regular file"), "{said}");

    fifo(&folder.join("key.pem"));
    let (status, said) = run(&["keys", "import", &path("key.pem")], &setup.write(), None);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("it is a named pipe, and must be a regular file"), "{said}");
}

#[test]
fn a_directory_or_a_file_without_end_is_said() {
    let setup = Setup::new();
    let (status, said) = run(&["check-config"], setup.folder.path(), None);
    assert_eq!(status, Some(2));
    assert!(said.contains("it is a directory, and must be a regular file"), "{said}");
    let zero = ("LOGOUTD_BOOTSTRAP_TOKEN_FILE", Path::new("/dev/zero"));
    let (status, said) = run(&["check-config"], &setup.write(), Some(zero));
    assert_eq!(status, Some(2));
    assert!(said.contains("it is a device, and must be a regular file"), "{said}");
    let output = logoutd().args(["events", "send", "--token", "x", "/dev/zero"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("it has more than 16777216 bytes"));
}
