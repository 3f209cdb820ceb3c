//! What must be in no log: tokens, secrets, `sub`s and metadata values, whatever is asked and whatever fails.

use reqwest::Method;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::Setup;
use crate::support::process::Serve;
use crate::support::{TOKEN, event, eventually, http};

const SUB: &str = "auth0|somebody-in-particular";
const OWN_SUB: &str = "known-here-as-another";
const VALUE: &str = "value-of-the-metadata";
const AGENT: &str = "a-browser-of-its-own";
const IP: &str = "203.0.113.77";
const SALT: &str = "the-salt-of-the-op";
const WRONG: &str = "logoutd_a-token-that-somebody-guessed";

async fn ask(serve: &Serve, token: &str, method: Method, path: &str, body: Option<Value>) {
    let mut request = http().request(method, format!("{}{path}", serve.management)).bearer_auth(token);
    if let Some(body) = body {
        request = request.json(&body);
    }
    request.send().await.unwrap();
}

#[tokio::test]
async fn tokens_subs_and_metadata_values_are_in_no_log() {
    let rp = MockServer::start().await;
    for (at, status) in [("/takes", 200), ("/refuses", 400), ("/fails", 503)] {
        // What an RP answers may quote what it got.
        let answer =
            ResponseTemplate::new(status).set_body_string(format!("no session of {SUB} with {VALUE}"));
        Mock::given(method("POST")).and(path(at)).respond_with(answer).mount(&rp).await;
    }
    let setup = Setup::new()
        .with(&format!("[issuer.pairwise]\nsalt = \"{SALT}\""))
        .client("takes", &format!("{}/takes", rp.uri()), "initiators = \"all\"\nsession_metadata = true")
        .client("refuses", &format!("{}/refuses", rp.uri()), "initiators = \"all\"\nsession_metadata = true")
        .client("fails", &format!("{}/fails", rp.uri()), "initiators = \"all\"\nsubject_type = \"pairwise\"");
    let serve = Serve::start_logging(&setup.write(), "logoutd=trace,tower_http=trace,info");

    let clients = json!(["takes", "refuses", {"client_id": "fails", "sub": OWN_SUB}]);
    // A card number, so that the guard has something to warn of.
    let metadata = json!({"org_id": VALUE, "card": "4111 1111 1111 1111"});
    for (sid, sub) in [("s-1", SUB), ("s-2", SUB)] {
        let device = json!({"initial_user_agent": AGENT, "initial_ip": IP});
        let data = json!({"sid": sid, "sub": sub, "clients": clients, "session_metadata": metadata, "device": device,
            "authentication": {"methods": [{"name": VALUE}]}});
        ask(&serve, TOKEN, Method::POST, "/events", Some(event("session.created", data))).await;
    }
    let bad = json!({"sid": SUB, "sub": SUB, "session_metadata": {"a key": VALUE}});
    ask(&serve, TOKEN, Method::POST, "/events", Some(event("session.created", bad))).await;
    let bad = json!({"sid": "s-3", "sub": SUB, "device": {"initial_user_agent": AGENT, "initial_ip": VALUE}});
    ask(&serve, TOKEN, Method::POST, "/events", Some(event("session.created", bad))).await;
    let user = "/api/v2/users/auth0%7Csomebody-in-particular/sessions";
    let patch = json!({"session_metadata": {"org_id": VALUE, "org_name": "n".repeat(300)}});
    ask(&serve, TOKEN, Method::PATCH, "/api/v2/sessions/s-1", Some(patch)).await;
    let patch = json!({"session_metadata": {"org_id": VALUE}});
    ask(&serve, TOKEN, Method::PATCH, "/api/v2/sessions/s-1", Some(patch)).await;
    ask(&serve, TOKEN, Method::GET, user, None).await;
    ask(&serve, WRONG, Method::GET, user, None).await;
    ask(&serve, TOKEN, Method::DELETE, "/api/v2/sessions/s-1", None).await;
    ask(&serve, TOKEN, Method::DELETE, user, None).await;
    ask(&serve, TOKEN, Method::POST, "/api/v2/clients/takes/test", None).await;
    // Two sessions at three clients, and the trial.
    eventually(async || (rp.received_requests().await.unwrap().len() >= 7).then_some(())).await;
    let log = eventually(async || {
        let log = serve.log();
        ["logout token delivered", "giving up", "trying again", "session metadata looks sensitive"]
            .iter()
            .all(|line| log.contains(line))
            .then_some(log)
    })
    .await;

    for secret in
        [TOKEN, WRONG, SUB, "somebody-in-particular", OWN_SUB, VALUE, AGENT, IP, "4111", SALT, "eyJ"]
    {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
}
