//! The files of the store: who may use them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::support::app::Setup;
use crate::support::process::{Serve, logoutd};

const FILES: [&str; 4] = ["store.db", "store.db-wal", "store.db-shm", "store.db-lock"];

fn modes(folder: &Path) -> [u32; 4] {
    FILES.map(|name| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o7777)
}

/// A service that has just started has all of its files.
#[test]
fn the_files_of_the_store_are_nobody_elses() {
    let setup = Setup::new();
    let config = setup.write();
    let serve = Serve::start(&config);
    assert_eq!(modes(setup.folder.path()), [0o600; 4], "{FILES:?}");
    serve.kill();
    // A crash leaves all of them behind, and somebody copies them with other modes.
    for name in FILES {
        fs::set_permissions(setup.folder.path().join(name), Permissions::from_mode(0o644)).unwrap();
    }
    let serve = Serve::start(&config);
    assert_eq!(modes(setup.folder.path()), [0o600; 4], "{FILES:?}");
    serve.kill();
    fs::set_permissions(setup.folder.path().join("store.db"), Permissions::from_mode(0o666)).unwrap();
    let list = logoutd().args(["tokens", "list", "--config"]).arg(&config).output().unwrap();
    assert!(list.status.success());
    assert_eq!(modes(setup.folder.path())[0], 0o600);
}

#[test]
fn a_store_that_is_no_file_is_an_error_at_the_start() {
    let setup = Setup::new();
    let config = setup.write();
    let pipe = setup.folder.path().join("store.db");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let list = logoutd().args(["tokens", "list", "--config"]).arg(&config).output().unwrap();
    let said = String::from_utf8_lossy(&list.stderr).into_owned();
    assert_eq!(list.status.code(), Some(1), "{said}");
    assert!(said.contains("is not a regular file"), "{said}");
}
