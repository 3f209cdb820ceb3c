//! `logoutd tokens`, before a service has ever run, beside one and after it.

use reqwest::StatusCode;
use serde_json::Value;

use super::{made, read_deliveries, tokens};
use crate::support::app::Setup;
use crate::support::process::logoutd;

fn listed(config: &std::path::Path) -> Vec<Value> {
    serde_json::from_str(&tokens(config, &["list", "--json"])).unwrap()
}

#[test]
fn a_secret_is_shown_once_and_stored_nowhere() {
    let setup = Setup::new();
    let config = setup.write();
    let secret = tokens(&config, &["create", "--name", "ci", "--scope", "create:events,read:logs"]);
    let secret = secret.strip_suffix('\n').unwrap();
    assert!(secret.starts_with("logoutd_") && secret.len() == 51, "{secret}");

    let shown = tokens(&config, &["list"]) + &tokens(&config, &["list", "--json"]);
    assert!(shown.contains("ci") && shown.contains("create:events read:logs"), "{shown}");
    assert!(!shown.contains(secret));
    for file in std::fs::read_dir(setup.folder.path()).unwrap() {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        let random = &secret.as_bytes()["logoutd_".len()..];
        assert!(!content.windows(random.len()).any(|window| window == random));
    }
}

/// Each of them makes the store if it is the first, and waits for a moment if it is not.
#[test]
fn commands_that_make_the_store_at_the_same_time_do_not_disturb_each_other() {
    const AT_ONCE: usize = 20;
    for _ in 0..3 {
        let setup = Setup::new();
        let config = setup.write();
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| tokens(&config, &["create", "--name", "ci", "--scope", "read:logs"]));
            }
        });
        assert_eq!(listed(&config).len(), AT_ONCE);
    }
}

#[test]
fn wrong_usage_says_what_is_right() {
    let setup = Setup::new();
    let config = setup.write();
    let fails = |arguments: &[&str], status: i32, message: &str| {
        let output = logoutd().arg("tokens").args(arguments).arg("--config").arg(&config).output().unwrap();
        let problem = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{problem}");
        assert!(problem.contains(message), "{problem:?} does not say {message:?}");
    };
    fails(&["list"], 1, "there is no store");
    fails(&["create", "--name", "ci"], 2, "--scope");
    fails(&["create", "--name", "", "--scope", "read:logs"], 2, "must not be empty");
    fails(
        &["create", "--name", "ci", "--scope", "read:log"],
        2,
        "`read:log` is not a scope; use create:events",
    );
    let expiring = |life| ["create", "--name", "ci", "--scope", "read:logs", "--expires-in", life];
    fails(&expiring("90"), 2, "durations are strings with a unit");
    fails(&expiring("0s"), 2, "must be from 1s to 3650d, and is 0s");
    assert!(!setup.folder.path().join("store.db").exists(), "nothing is made by a mistake");

    made(&config, &["read:logs"], &[]);
    let nobody = "018f0000-0000-7000-8000-000000000000";
    fails(&["revoke", nobody], 1, &format!("there is no token with the id {nobody}"));
    fails(&["revoke", "ci"], 2, "invalid");
}

#[tokio::test]
async fn a_token_is_kept_with_its_last_use() {
    let setup = Setup::new();
    let config = setup.write();
    let (used, unused) = (made(&config, &["read:deliveries"], &[]), made(&config, &["read:logs"], &[]));
    let app = setup.start().await;
    assert_eq!(read_deliveries(&app, &used.secret).send().await.unwrap().status(), StatusCode::OK);
    let setup = app.stop().await;

    let tokens_now = listed(&config);
    let by_id = |id: &str| tokens_now.iter().find(|token| token["id"] == id).unwrap();
    assert!(by_id(&used.id)["last_used_at"].is_string());
    assert!(by_id(&unused.id)["last_used_at"].is_null());
    assert_eq!(by_id(&used.id)["state"], "active");

    // Revoked twice is revoked once, and it survives a restart.
    for _ in 0..2 {
        tokens(&config, &["revoke", &used.id]);
    }
    let app = setup.start().await;
    assert_eq!(read_deliveries(&app, &used.secret).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    app.stop().await;
}
