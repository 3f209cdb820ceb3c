//! What somebody may put into the keys folder, and who else may get at it: the service and the commands, as processes.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use reqwest::StatusCode;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;

use crate::support::app::Setup;
use crate::support::process::{Serve, logoutd};
use crate::support::{TOKEN, eventually, http};

/// Neither root nor anybody there is.
const STRANGER: u32 = 47_110;

const UNUSABLE: &str = "the keys folder changed and cannot be used";

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A setup whose keys exist: its configuration, the folder, and the one key file in it.
fn with_keys() -> (Setup, PathBuf, PathBuf, PathBuf) {
    let setup = Setup::new();
    let config = setup.write();
    let output = logoutd()
        .args(["keys", "generate", "--alg", "ES256", "--kid", "first", "--activate-now", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = setup.folder.path().join("keys");
    let key = folder.join("first.pem");
    (setup, config, folder, key)
}

async fn rotate(serve: &Serve) -> (StatusCode, Value) {
    let url = format!("{}/api/v2/keys/signing/rotate", serve.management);
    let response = http().post(url).bearer_auth(TOKEN).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

async fn published(serve: &Serve) -> Vec<String> {
    let jwks: Value = http()
        .get(format!("{}/.well-known/jwks.json", serve.server))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn failed_reloads(serve: &Serve) -> u64 {
    let text =
        http().get(format!("{}/metrics", serve.management)).send().await.unwrap().text().await.unwrap();
    let prefix = "logoutd_keys_reloads_total{outcome=\"failed\"} ";
    text.lines().find_map(|line| line.strip_prefix(prefix)).map_or(0, |count| count.parse().unwrap())
}

fn count(log: &str, text: &str) -> usize {
    log.lines().filter(|line| line.contains(text)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_stops_neither_the_rotation_nor_the_end() {
    type Put = fn(&Path);
    let cases: &[(&str, Put, &str)] = &[
        ("pipe.pem", fifo, "a named pipe"),
        (
            "link.pem",
            |path| {
                fifo(&path.with_file_name(".pipe"));
                symlink(".pipe", path).unwrap();
            },
            "a named pipe",
        ),
        ("socket.pem", |path| drop(UnixListener::bind(path).unwrap()), "a socket"),
        ("folder.jwk", |path| fs::create_dir(path).unwrap(), "a directory"),
        ("device.pem", |path| symlink("/dev/zero", path).unwrap(), "a device"),
        ("dangling.pem", |path| symlink("nowhere", path).unwrap(), "No such file"),
        ("circle.pem", |path| symlink("circle.pem", path).unwrap(), "symbolic links"),
        (
            "huge.pem",
            |path| {
                fs::File::create(path).unwrap().set_len(1 << 32).unwrap();
                set_mode(path, 0o600);
            },
            "more than 65536 bytes",
        ),
        // In the place of what was there.
        (
            "first.pem",
            |path| {
                fs::remove_file(path).unwrap();
                fifo(path);
            },
            "a named pipe",
        ),
        (
            "keyring.json",
            |path| {
                fs::remove_file(path).unwrap();
                fifo(path);
            },
            "a named pipe",
        ),
    ];
    for (name, put, said) in cases {
        let (_setup, config, folder, _) = with_keys();
        let mut serve = Serve::start(&config);
        put(&folder.join(name));
        eventually(async || (count(&serve.log(), UNUSABLE) == 1).then_some(())).await;
        let log = serve.log();
        let line = log.lines().find(|line| line.contains(UNUSABLE)).unwrap();
        assert!(line.contains(name) && line.contains(said), "{name}: {line}");
        let (status, answer) = rotate(&serve).await;
        assert!(matches!(status.as_u16(), 409 | 503), "{name}: {answer}");
        assert_eq!(published(&serve).await, ["first"], "{name}");
        serve.signal("TERM");
        assert!(serve.ended().success(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_in_the_place_of_the_lock_is_not_waited_for() {
    let (_setup, config, folder, _) = with_keys();
    let mut serve = Serve::start(&config);
    fs::remove_file(folder.join(".lock")).unwrap();
    fifo(&folder.join(".lock"));
    let (status, answer) = rotate(&serve).await;
    assert_eq!((status, &answer["errorCode"]), (StatusCode::CONFLICT, &"keys_folder_invalid".into()));
    fs::remove_file(folder.join(".lock")).unwrap();
    symlink("elsewhere", folder.join(".lock")).unwrap();
    assert_eq!(rotate(&serve).await.0, StatusCode::CONFLICT);
    assert!(!folder.join("elsewhere").exists(), "the lock makes no file where a link leads");
    serve.signal("TERM");
    assert!(serve.ended().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_keeps_the_lock_does_not_hold_up_the_end() {
    let (_setup, config, folder, _) = with_keys();
    let mut serve = Serve::start(&config);
    let lock = fs::File::open(folder.join(".lock")).unwrap();
    lock.lock().unwrap();
    let (status, answer) = rotate(&serve).await;
    assert_eq!((status, &answer["errorCode"]), (StatusCode::SERVICE_UNAVAILABLE, &"keys_unavailable".into()));
    serve.signal("TERM");
    assert!(serve.ended().success());
}

/// One way to leave the keys open to others: what is changed, and what is said of it.
struct Exposed {
    change: fn(&Path, &Path),
    /// Of the folder or of the key.
    of_folder: bool,
    said: String,
}

fn exposed(of_folder: bool, said: impl Into<String>, change: fn(&Path, &Path)) -> Exposed {
    Exposed { change, of_folder, said: said.into() }
}

#[test]
fn keys_that_others_can_get_at_are_refused_by_whoever_reads_them() {
    let mode = |mode: &str, fix: &str| {
        format!("its mode is {mode}, so that others can use it; run `chmod {fix}` on it")
    };
    let mut cases = vec![
        exposed(true, mode("0777", "700"), |folder, _| set_mode(folder, 0o777)),
        exposed(true, mode("0775", "700"), |folder, _| set_mode(folder, 0o775)),
        exposed(true, mode("1777", "700"), |folder, _| set_mode(folder, 0o1777)),
        exposed(false, mode("0640", "600"), |_, key| set_mode(key, 0o640)),
        exposed(false, mode("0604", "600"), |_, key| set_mode(key, 0o604)),
        exposed(false, "leads to", |folder, key| {
            let outside = folder.with_file_name("outside");
            fs::create_dir(&outside).unwrap();
            set_mode(&outside, 0o777);
            fs::rename(key, outside.join("first.pem")).unwrap();
            symlink(outside.join("first.pem"), key).unwrap();
        }),
    ];
    if is_root() {
        let owner = format!("it belongs to user {STRANGER}, who can change it, and logoutd runs as user 0");
        cases.extend([
            exposed(true, owner.clone(), |folder, _| chown(folder, Some(STRANGER), None).unwrap()),
            exposed(false, owner.clone(), |_, key| chown(key, Some(STRANGER), None).unwrap()),
            exposed(false, owner, |folder, key| {
                let outside = folder.with_file_name("outside.pem");
                fs::rename(key, &outside).unwrap();
                chown(&outside, Some(STRANGER), None).unwrap();
                symlink(&outside, key).unwrap();
            }),
        ]);
    }
    for case in cases {
        let (_setup, config, folder, key) = with_keys();
        (case.change)(&folder, &key);
        let path = if case.of_folder { &folder } else { &key };
        for command in [&["serve"][..], &["check-config"], &["keys", "list"], &["keys", "rotate"]] {
            let output = logoutd().args(command).arg("--config").arg(&config).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{command:?}: {said}");
            assert!(said.contains(&format!("{}: ", path.display())), "{command:?}: {said}");
            assert!(said.contains(&case.said), "{command:?}: {} is not in {said}", case.said);
        }
        assert!(
            !fs::read_dir(&folder).unwrap().any(|it| it
                .unwrap()
                .file_name()
                .to_string_lossy()
                .starts_with("es256-"))
        );
    }
}

#[test]
fn a_manifest_that_others_can_write_is_refused() {
    let (_setup, config, folder, _) = with_keys();
    set_mode(&folder.join("keyring.json"), 0o666);
    let output = logoutd().args(["keys", "list", "--config"]).arg(&config).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("keyring.json: its mode is 0666"), "{said}");
    set_mode(&folder.join("keyring.json"), 0o644);
    assert!(logoutd().args(["keys", "list", "--config"]).arg(&config).output().unwrap().status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_service_keeps_its_keys_when_the_folder_opens_up() {
    let (_setup, config, folder, key) = with_keys();
    let serve = Serve::start(&config);
    set_mode(&folder, 0o777);
    eventually(async || (count(&serve.log(), UNUSABLE) == 1).then_some(())).await;
    assert!(serve.log().contains("its mode is 0777, so that others can use it; run `chmod 700` on it"));
    assert_eq!(failed_reloads(&serve).await, 1);
    assert_eq!(published(&serve).await, ["first"]);
    let (status, answer) = rotate(&serve).await;
    assert_eq!((status, &answer["errorCode"]), (StatusCode::CONFLICT, &"keys_folder_invalid".into()));

    // Said once for each state of the folder, however often it is looked at.
    set_mode(&key, 0o644);
    eventually(async || (count(&serve.log(), UNUSABLE) == 2).then_some(())).await;
    serve.signal("HUP");
    eventually(async || (failed_reloads(&serve).await == 3).then_some(())).await;
    assert_eq!(count(&serve.log(), UNUSABLE), 2);

    set_mode(&folder, 0o700);
    set_mode(&key, 0o600);
    eventually(async || serve.log().contains("the keys folder changed; its keys are loaded").then_some(()))
        .await;
    assert_eq!(rotate(&serve).await.0, StatusCode::CREATED);
    assert_eq!(published(&serve).await.len(), 2);
}

#[test]
fn a_folder_without_keys_is_closed_by_its_first() {
    let setup = Setup::new();
    let config = setup.write();
    let folder = setup.folder.path().join("keys");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("README.md"), "as git makes it, where the umask is 002").unwrap();
    set_mode(&folder, 0o775);
    assert!(logoutd().args(["check-config", "--config"]).arg(&config).output().unwrap().status.success());
    assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o7777, 0o775, "nothing is changed by looking");
    drop(Serve::start(&config));
    assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o7777, 0o700);
}

/// As in Kubernetes: root's, readable by the group that the process is in, in a folder that anybody could write to if
/// it were not for the mount. None of it can be put right by the process.
#[test]
fn what_cannot_be_put_right_from_here_is_only_warned_of() {
    if !is_root() {
        return;
    }
    let (setup, config, folder, key) = with_keys();
    set_mode(setup.folder.path(), 0o755);
    set_mode(&config, 0o644);
    for (mode, group) in [(0o755, STRANGER), (0o2775, STRANGER)] {
        chown(&folder, Some(0), Some(group)).unwrap();
        set_mode(&folder, mode);
        chown(&key, Some(0), Some(group)).unwrap();
        set_mode(&key, 0o640);
        set_mode(&folder.join("keyring.json"), 0o644);
        let mut command = logoutd();
        command.args(["keys", "list", "--config"]).arg(&config).uid(STRANGER).gid(STRANGER);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{mode:o}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).contains("first"));
    }
}
