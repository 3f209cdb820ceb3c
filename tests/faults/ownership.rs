//! A store that is another user's. It takes root to make one, and to be somebody else.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Command, Output};

use crate::support::app::Setup;
use crate::support::process::logoutd;

/// `nobody` and its group.
const NOBODY: u32 = 65_534;

fn list_as_nobody(config: &Path) -> Output {
    let program = logoutd();
    Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(program.get_program())
        .args(["tokens", "list", "--config"])
        .arg(config)
        .output()
        .unwrap()
}

#[test]
fn another_users_store_is_refused_if_everybody_can_use_it_and_a_shared_one_is_warned_of() {
    let setup = Setup::new();
    let config = setup.write();
    let (folder, store) = (setup.folder.path(), setup.folder.path().join("store.db"));
    let set_mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    set_mode(folder, 0o777);
    fs::write(&store, "").unwrap();
    set_mode(&store, 0o666);

    let output = list_as_nobody(&config);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("belongs to another user and has the mode 0666"), "{said}");
    assert_eq!(fs::read(&store).unwrap(), b"", "nothing was written to it");

    // A volume that is shared through a group.
    chown(&store, None, Some(NOBODY)).unwrap();
    set_mode(&store, 0o660);
    let output = list_as_nobody(&config);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    // Its own store is put right.
    chown(&store, Some(NOBODY), Some(NOBODY)).unwrap();
    let output = list_as_nobody(&config);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::metadata(&store).unwrap().permissions().mode() & 0o7777, 0o600);
}
