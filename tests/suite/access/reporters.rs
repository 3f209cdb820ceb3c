//! The ids of events belong to whoever reports them: nobody keeps out the event of another.

use reqwest::StatusCode;
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{Made, made_as};
use crate::support::TOKEN;
use crate::support::app::{Setup, TestApp, states};
use crate::support::eventually;
use crate::support::process::Serve;

fn terminated(id: &str, data: &Value) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "https://op.example.com", "type": "session.terminated",
           "data": data})
}

fn created(id: &str, sid: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "https://op.example.com", "type": "session.created",
           "data": {"sid": sid, "sub": "alice", "clients": ["shop"]}})
}

async fn report(app: &TestApp, token: &str, event: &Value) -> (StatusCode, Value) {
    let request = app.http.post(format!("{}/events", app.server)).bearer_auth(token);
    let request = request.header("content-type", "application/cloudevents+json").header("prefer", "wait=10");
    app.send(request.body(event.to_string())).await
}

struct Stage {
    app: TestApp,
    rp: MockServer,
    op: Made,
    successor: Made,
    other: Made,
}

/// A service with three tokens, of which two have the same name.
async fn stage() -> Stage {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&rp).await;
    let setup = Setup::new().client("shop", &rp.uri(), "").client("blog", &rp.uri(), "");
    let config = setup.write();
    let token = |name: &str| made_as(&config, name, &["create:events"], &[]);
    let (op, successor, other) = (token("our OP"), token("our OP"), token("HR system"));
    Stage { app: setup.start().await, rp, op, successor, other }
}

impl Stage {
    async fn told(&self) -> usize {
        self.rp.received_requests().await.unwrap().len()
    }

    async fn collisions(&self) -> String {
        let response = self.app.http.get(format!("{}/metrics", self.app.management)).send().await.unwrap();
        let text = response.text().await.unwrap();
        let line = text.lines().find(|line| line.starts_with("logoutd_event_id_collisions_total"));
        line.unwrap_or_default().to_owned()
    }
}

/// The attack: somebody else's token takes the id that the OP will use.
#[tokio::test]
async fn another_tokens_event_keeps_no_termination_out() {
    let it = stage().await;
    // With other data, of a session that is none of the OP's.
    let harmless =
        terminated("evt-1", &json!({"sid": "nobody's", "initiator": "rp-logout", "clients": ["blog"]}));
    assert_eq!(report(&it.app, &it.other.secret, &harmless).await.0, StatusCode::OK);
    assert_eq!(report(&it.app, &it.op.secret, &created("evt-0", "s-1")).await.0, StatusCode::OK);
    assert_eq!(it.collisions().await, "logoutd_event_id_collisions_total 0");
    let ours = terminated("evt-1", &json!({"sid": "s-1", "initiator": "rp-logout"}));
    let (status, answer) = report(&it.app, &it.op.secret, &ours).await;
    assert_eq!((status, &answer["duplicate"]), (StatusCode::OK, &json!(false)), "{answer}");
    assert_eq!(states(&answer), [("shop".to_owned(), "delivered".to_owned())]);
    assert_eq!(it.collisions().await, "logoutd_event_id_collisions_total 1");

    // With the very words of the OP, before there is anything to end.
    let all = terminated("evt-2", &json!({"sub": "alice", "initiator": "idp-logout"}));
    assert_eq!(report(&it.app, &it.other.secret, &all).await.1["deliveries"], json!([]));
    assert_eq!(report(&it.app, &it.op.secret, &created("evt-3", "s-2")).await.0, StatusCode::OK);
    let (status, answer) = report(&it.app, &it.op.secret, &all).await;
    assert_eq!((status, &answer["duplicate"]), (StatusCode::OK, &json!(false)), "{answer}");
    assert_eq!(states(&answer), [("shop".to_owned(), "delivered".to_owned())]);

    // Each has its own answer again, and nobody is told again.
    let told = it.told().await;
    for (token, event) in [(&it.other, &harmless), (&it.op, &ours), (&it.other, &all), (&it.op, &all)] {
        let (status, answer) = report(&it.app, &token.secret, event).await;
        assert_eq!((status, &answer["duplicate"]), (StatusCode::OK, &json!(true)), "{answer}");
    }
    assert_eq!(it.told().await, told);
    // A reused id is an error still, for the one who reuses it.
    let (status, answer) = report(
        &it.app,
        &it.other.secret,
        &terminated("evt-2", &json!({"sub": "bob", "initiator": "rp-logout"})),
    )
    .await;
    assert_eq!((status, &answer["errorCode"]), (StatusCode::CONFLICT, &json!("event_id_reused")));
    it.app.stop().await;
}

#[tokio::test]
async fn a_token_of_the_same_name_succeeds_to_its_ids() {
    let it = stage().await;
    let event = terminated("evt-1", &json!({"sid": "s-1", "initiator": "rp-logout", "clients": ["shop"]}));
    let (_, first) = report(&it.app, &it.op.secret, &event).await;
    let (status, again) = report(&it.app, &it.successor.secret, &event).await;
    assert_eq!((status, &again["duplicate"]), (StatusCode::OK, &json!(true)), "{again}");
    assert_eq!(again["deliveries"], first["deliveries"]);
    let reused = terminated("evt-1", &json!({"sid": "s-2", "initiator": "rp-logout", "clients": ["shop"]}));
    assert_eq!(report(&it.app, &it.successor.secret, &reused).await.0, StatusCode::CONFLICT);
    assert_eq!(it.told().await, 1);
    it.app.stop().await;
}

/// A source that goes on under another name, or from the bootstrap token to an API token, and repeats itself.
#[tokio::test]
async fn an_end_reported_by_two_is_told_once() {
    let it = stage().await;
    let event = terminated("evt-1", &json!({"sid": "s-1", "initiator": "rp-logout", "clients": ["shop"]}));
    let mut deliveries = Vec::new();
    for token in [TOKEN, &it.op.secret, &it.other.secret] {
        let (status, answer) = report(&it.app, token, &event).await;
        assert_eq!((status, &answer["duplicate"]), (StatusCode::OK, &json!(false)), "{answer}");
        deliveries.push(answer["deliveries"][0]["id"].clone());
    }
    assert!(deliveries.iter().all(|id| *id == deliveries[0]), "{deliveries:?}");
    assert_eq!(it.told().await, 1);
    assert_eq!(it.collisions().await, "logoutd_event_id_collisions_total 0");
    it.app.stop().await;
}

/// Once for each pair of reporters, with their names; and without anything of the event but its source.
#[tokio::test]
async fn the_log_says_who_uses_the_ids_of_another() {
    let setup = Setup::new();
    let config = setup.write();
    let token = |name: &str| made_as(&config, name, &["create:events"], &[]).secret;
    let (op, hr) = (token("our OP"), token("HR system"));
    let service = Serve::start(&config);
    let http = crate::support::http();
    for id in ["evt-1", "evt-2", "evt-3"] {
        for (token, sid) in [(&hr, "s-hr"), (&op, "s-op")] {
            let request = http.post(format!("{}/events", service.server)).bearer_auth(token);
            let request = request.header("content-type", "application/json");
            let response = request.body(created(id, sid).to_string().replace("\"shop\"", "")).send().await;
            assert_eq!(response.unwrap().status(), StatusCode::ACCEPTED);
        }
    }
    let text = "two reporters use the same source and id";
    let line = eventually(async || {
        let log = service.log();
        log.lines().find(|line| line.contains(text)).map(str::to_owned)
    })
    .await;
    assert!(line.contains("API token our OP") && line.contains("API token HR system"), "{line}");
    assert!(line.contains("https://op.example.com") && !line.contains("alice"), "{line}");
    let metrics = http.get(format!("{}/metrics", service.management)).send().await.unwrap();
    assert!(metrics.text().await.unwrap().contains("logoutd_event_id_collisions_total 3"));
    assert_eq!(service.log().lines().filter(|line| line.contains(text)).count(), 1);
}
