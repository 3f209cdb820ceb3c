//! The files of the store: who may use them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sqlx::Connection as _;

use crate::support::app::Setup;
use crate::support::process::{Serve, logoutd};
use crate::support::store_file::StoreFile;

const FILES: [&str; 4] = ["store.db", "store.db-wal", "store.db-shm", "store.db-lock"];

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn modes(folder: &Path) -> [u32; 4] {
    FILES.map(|name| mode(&folder.join(name)))
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
    // A command that ends leaves this one alone behind.
    assert_eq!(mode(&setup.folder.path().join("store.db")), 0o600);
}

#[tokio::test]
async fn a_store_that_somebody_else_is_making_is_waited_for() {
    let setup = Setup::new();
    let config = setup.write();
    let held = StoreFile::of(&setup).held().await;
    let create = ["tokens", "create", "--name", "ci", "--scope", "read:logs", "--config"];
    let mut command = logoutd();
    command.args(create).arg(&config).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if let Some(status) = child.try_wait().unwrap() {
            panic!("{status}: {:?}", child.wait_with_output().unwrap());
        }
    }
    held.close().await.unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
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
