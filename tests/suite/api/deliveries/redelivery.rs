//! What failed, looked at and put back into the queue: over the API and from the shell.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::{Setup, TestApp};
use crate::support::process::logoutd;
use crate::support::raw_rp::{RawRp, Trick};
use crate::support::{TOKEN, ends, event, eventually};

async fn answering(status: u16) -> MockServer {
    let rp = MockServer::start().await;
    answer_from_now_on(&rp, status).await;
    rp
}

async fn answer_from_now_on(rp: &MockServer, status: u16) {
    rp.reset().await;
    let answer = ResponseTemplate::new(status).set_body_string("because I say so");
    Mock::given(method("POST")).respond_with(answer).mount(rp).await;
}

fn uri(rp: &MockServer) -> String {
    format!("{}/logout", rp.uri())
}

async fn post(app: &TestApp, path: &str, body: &Value) -> (StatusCode, Value) {
    app.api(Method::POST, path, Some(body.clone())).await
}

/// The ids of an event's deliveries, once all are final.
async fn settled(app: &TestApp, event: &Value) -> Vec<String> {
    let (_, answer) = app.report_and_wait(event, 10).await;
    let deliveries = answer["deliveries"].as_array().unwrap();
    deliveries.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
}

async fn until_job_is_complete(app: &TestApp, job: &Value) -> Value {
    let path = format!("/jobs/{}", job["id"].as_str().unwrap());
    eventually(async || {
        let (_, job) = app.get(&path).await;
        (job["status"] == "completed").then_some(job)
    })
    .await
}

#[tokio::test]
async fn a_rejected_delivery_is_kept_with_its_attempts_and_can_be_redelivered() {
    let rp = answering(400).await;
    let app = Setup::new().client("shop", &uri(&rp), "session_metadata = true").start().await;
    let created = event(
        "session.created",
        json!({"sid": "s-1", "sub": "alice", "clients": ["shop"], "session_metadata": {"org_id": "o-1"}}),
    );
    app.report(&created).await;
    let end = event("session.terminated", json!({"sid": "s-1", "initiator": "idp-logout"}));
    let id = settled(&app, &end).await.remove(0);

    let path = format!("/deliveries/{id}");
    let (status, delivery) = app.get(&path).await;
    assert_eq!(status, StatusCode::OK);
    for (member, expected) in [
        ("id", json!(id)),
        ("client_id", json!("shop")),
        ("state", json!("rejected")),
        ("initiator", json!("idp-logout")),
        ("sid", json!("s-1")),
        ("sub", json!("alice")),
        ("session_metadata", json!({"org_id": "o-1"})),
        ("attempts_made", json!(1)),
        ("redeliveries", json!(0)),
        ("possibly_received", json!(false)),
    ] {
        assert_eq!(delivery[member], expected, "{member}");
    }
    let attempt = &delivery["attempts"][0];
    assert_eq!((&attempt["number"], &attempt["status"]), (&json!(1), &json!(400)));
    assert_eq!((&attempt["error"], &attempt["answer"]), (&json!("status_400"), &json!("because I say so")));
    assert_eq!(attempt["remote_address"], "127.0.0.1");
    for member in ["kid", "jti", "started_at"] {
        assert!(attempt[member].is_string(), "{member}: {attempt}");
    }
    for phase in ["sign", "connect", "answer", "body"] {
        assert!(attempt["phases_ms"][phase].as_f64().is_some_and(|took| took > 0.0), "{phase}: {attempt}");
    }
    let token_is_nowhere = !delivery.to_string().contains("eyJ");
    assert!(token_is_nowhere, "{delivery}");

    answer_from_now_on(&rp, 200).await;
    let (status, again) = post(&app, &format!("{path}/redeliver"), &json!({})).await;
    assert_eq!((status, &again["redeliveries"]), (StatusCode::ACCEPTED, &json!(1)));
    let delivery = eventually(async || {
        let (_, delivery) = app.get(&path).await;
        (delivery["state"] == "delivered").then_some(delivery)
    })
    .await;
    assert_eq!((&delivery["attempts_made"], &delivery["redeliveries"]), (&json!(2), &json!(1)));
    assert_ne!(delivery["attempts"][0]["jti"], delivery["attempts"][1]["jti"]);
    app.stop().await;
}

#[tokio::test]
async fn a_refusal_after_an_attempt_of_unknown_outcome_is_marked() {
    let hanging = RawRp::start(Trick::Hang);
    let refusing = answering(400).await;
    let setup = Setup::new().with("[delivery]\nschedule = [\"10s\"]\ntimeout = \"300ms\"").client(
        "shop",
        &hanging.uri(),
        "",
    );
    let app = setup.start().await;
    let event = ends("s-1", &["shop"]);
    let (_, answer) = app.report_and_wait(&event, 1).await;
    let path = format!("/deliveries/{}", answer["deliveries"][0]["id"].as_str().unwrap());
    let (_, delivery) = app.get(&path).await;
    assert_eq!((&delivery["state"], &delivery["possibly_received"]), (&json!("pending"), &json!(true)));
    assert_eq!(delivery["attempts"][0]["outcome_unknown"], true);

    // Its RP comes back, and remembers the jti of what it received: in effect it refuses.
    let app = app.stop().await.without_clients().client("shop", &uri(&refusing), "").start().await;
    let (status, _) = post(&app, &format!("{path}/redeliver"), &json!({})).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let delivery = eventually(async || {
        let (_, delivery) = app.get(&path).await;
        (delivery["state"] == "rejected").then_some(delivery)
    })
    .await;
    assert_eq!(delivery["possibly_received"], true);
    assert_eq!(delivery["attempts"][1]["refused_after_unknown"], true);
    // A pending one was only made due.
    assert_eq!(delivery["redeliveries"], 0);
    app.stop().await;
}

#[tokio::test]
async fn a_filter_puts_back_what_matches_and_nothing_else() {
    let (shop, blog) = (answering(400).await, answering(400).await);
    let app = Setup::new()
        .client("shop", &uri(&shop), "initiators = \"all\"")
        .client("blog", &uri(&blog), "initiators = \"all\"")
        .start()
        .await;
    let ended = |n: usize, initiator: &str| {
        let data = json!({"sid": format!("s-{n}"), "sub": "alice", "initiator": initiator, "clients": ["shop", "blog"]});
        event("session.terminated", data)
    };
    for n in 0..3 {
        settled(&app, &ended(n, "rp-logout")).await;
    }
    settled(&app, &ended(9, "session-revoked")).await;

    // Newest first, page by page.
    let (_, page) = app.get("/deliveries?client_id=shop&state=rejected,exhausted&take=3").await;
    let sids = |page: &Value| -> Vec<String> {
        page["deliveries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["sid"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(sids(&page), ["s-9", "s-2", "s-1"]);
    let next = page["next"].as_str().unwrap();
    let (_, page) = app.get(&format!("/deliveries?client_id=shop&take=3&from={next}")).await;
    assert_eq!((sids(&page), &page["next"]), (vec!["s-0".to_owned()], &json!(null)));
    let (_, page) = app.get("/deliveries?sid=s-9").await;
    assert_eq!(sids(&page), ["s-9", "s-9"]);

    answer_from_now_on(&shop, 200).await;
    answer_from_now_on(&blog, 200).await;
    let filter = json!({"client_id": "shop", "initiator": "rp-logout"});
    let (status, job) = post(&app, "/deliveries/redeliver", &filter).await;
    assert_eq!((status, &job["matched"]), (StatusCode::ACCEPTED, &json!(3)));
    let job = until_job_is_complete(&app, &job).await;
    assert_eq!((&job["redelivered"], &job["percentage_done"]), (&json!(3), &json!(100)));
    assert_eq!(job["filter"]["states"], json!(["rejected", "exhausted"]));
    eventually(async || (shop.received_requests().await.unwrap().len() == 3).then_some(())).await;
    assert_eq!(blog.received_requests().await.unwrap().len(), 0);
    let (_, page) = app.get("/deliveries?state=rejected").await;
    assert_eq!(sids(&page).len(), 5);

    // What was delivered goes again only if that is said. An outcome is stored after the relying party has answered.
    eventually(async || {
        let (_, page) = app.get("/deliveries?state=delivered").await;
        (sids(&page).len() == 3).then_some(())
    })
    .await;
    let (_, job) = post(&app, "/deliveries/redeliver", &json!({"state": "delivered"})).await;
    assert_eq!(job["matched"], 3);
    until_job_is_complete(&app, &job).await;
    eventually(async || (shop.received_requests().await.unwrap().len() == 6).then_some(())).await;
    app.stop().await;
}

#[tokio::test]
async fn a_job_goes_on_after_a_restart_and_passes_over_who_left() {
    let rp = answering(400).await;
    let setup = Setup::new().client("shop", &uri(&rp), "").client("gone", &uri(&rp), "");
    let app = setup.start().await;
    for n in 0..5 {
        settled(&app, &ends(&format!("s-{n}"), &["shop", "gone"])).await;
    }
    answer_from_now_on(&rp, 200).await;
    let (_, job) = post(&app, "/deliveries/redeliver", &json!({})).await;
    assert_eq!(job["matched"], 10);
    // It may be anywhere when it is stopped; all it promises is to go on.
    let setup = app.stop().await;
    let app = setup.without_clients().client("shop", &uri(&rp), "").start().await;
    let job = until_job_is_complete(&app, &job).await;
    let (redelivered, skipped) = (job["redelivered"].as_u64().unwrap(), job["skipped"].as_u64().unwrap());
    assert_eq!(redelivered + skipped, 10);
    eventually(async || {
        let (_, page) = app.get("/deliveries?client_id=shop&state=delivered").await;
        (page["deliveries"].as_array().unwrap().len() == 5).then_some(())
    })
    .await;
    app.stop().await;
}

#[tokio::test]
async fn bad_requests_say_what_is_wrong_and_do_nothing() {
    let hanging = RawRp::start(Trick::Hang);
    let refusing = answering(400).await;
    let app = Setup::new()
        .with("[delivery]\ntimeout = \"30s\"")
        .client("slow", &hanging.uri(), "")
        .client("shop", &uri(&refusing), "")
        .start()
        .await;
    let rejected = settled(&app, &ends("s-1", &["shop"])).await.remove(0);
    let (_, answer) = app.report(&ends("s-2", &["slow"])).await;
    let in_flight = answer["deliveries"][0]["id"].as_str().unwrap().to_owned();
    eventually(async || (hanging.requests() == 1).then_some(())).await;

    let unknown = "01890000-0000-7000-8000-000000000000";
    for (path, body, status, code, message) in [
        (
            format!("/api/v2/deliveries/{unknown}/redeliver"),
            "{}",
            404,
            "inexistent_resource",
            "no such delivery",
        ),
        ("/api/v2/deliveries/x/redeliver".to_owned(), "{}", 404, "inexistent_resource", "no such delivery"),
        (format!("/api/v2/deliveries/{in_flight}/redeliver"), "{}", 409, "delivery_in_flight", "under way"),
        ("/api/v2/deliveries/redeliver".to_owned(), "{", 400, "invalid_body", "EOF"),
        ("/api/v2/deliveries/redeliver".to_owned(), "{} {}", 400, "invalid_body", "trailing"),
        (
            "/api/v2/deliveries/redeliver".to_owned(),
            r#"{"client": "shop"}"#,
            400,
            "invalid_body",
            "client: unknown field `client`",
        ),
        (
            "/api/v2/deliveries/redeliver".to_owned(),
            r#"{"state": "pending"}"#,
            400,
            "invalid_body",
            "state: must be rejected",
        ),
        (
            "/api/v2/deliveries/redeliver".to_owned(),
            r#"{"initiator": "boredom"}"#,
            400,
            "invalid_body",
            "initiator: `boredom` is not an initiator",
        ),
    ] {
        let request = app.http.post(format!("{}{path}", app.management)).bearer_auth(TOKEN);
        let (got, answer) =
            app.send(request.header("content-type", "application/json").body(body.to_owned())).await;
        assert_eq!((got.as_u16(), &answer["errorCode"]), (status, &json!(code)), "{path} {answer}");
        assert!(answer["message"].as_str().unwrap().contains(message), "{answer}");
    }
    for (query, message) in [
        ("state=lost", "state: `lost` is not a delivery state"),
        ("take=0", "take: must be a whole number from 1 to 100"),
        ("take=1&take=2", "take: must be given once"),
        ("created_after=yesterday", "created_after: must be an RFC 3339 time"),
        ("client=shop", "client: is no parameter of this resource; it takes client_id, state"),
        ("from=x", "from: must be the `next` of an earlier page"),
    ] {
        let (status, answer) = app.get(&format!("/deliveries?{query}")).await;
        assert_eq!((status.as_u16(), &answer["errorCode"]), (400, &json!("invalid_query_string")));
        assert!(answer["message"].as_str().unwrap().starts_with(message), "{answer}");
    }
    let (status, _) = app.get("/jobs/x").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    for (token, code) in [(None, "missing_token"), (Some("wrong"), "invalid_token")] {
        let mut request = app.http.get(format!("{}/api/v2/deliveries/{rejected}", app.management));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let (status, answer) = app.send(request).await;
        assert_eq!((status, &answer["errorCode"]), (StatusCode::UNAUTHORIZED, &json!(code)));
    }
    let (_, delivery) = app.get(&format!("/deliveries/{rejected}")).await;
    assert_eq!((&delivery["state"], &delivery["redeliveries"]), (&json!("rejected"), &json!(0)));
    drop(app);
}

#[tokio::test]
async fn a_client_that_left_cannot_be_redelivered_to() {
    let rp = answering(410).await;
    let app = Setup::new().client("shop", &uri(&rp), "").start().await;
    let id = settled(&app, &ends("s-1", &["shop"])).await.remove(0);
    let (status, answer) = post(&app, &format!("/deliveries/{id}/redeliver"), &json!({})).await;
    assert_eq!((status, &answer["errorCode"]), (StatusCode::CONFLICT, &json!("client_not_subscribed")));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_lists_shows_and_redelivers() {
    let rp = answering(400).await;
    let app = Setup::new().client("shop", &uri(&rp), "").start().await;
    let id = settled(&app, &ends("s-1", &["shop"])).await.remove(0);
    let run = |arguments: &[&str]| {
        let output = logoutd()
            .args(["deliveries"])
            .args(arguments)
            .env("LOGOUTD_URL", &app.management)
            .env("LOGOUTD_TOKEN", TOKEN)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    let (status, shown, _) = run(&["list", "--state", "rejected"]);
    assert_eq!(status, 0);
    assert!(shown.contains(&id) && shown.contains("rejected") && shown.contains("shop"), "{shown}");
    let (status, shown, _) = run(&["show", &id]);
    assert_eq!(status, 0);
    assert!(shown.contains("status_400") && shown.contains("because I say so"), "{shown}");
    let (_, shown, _) = run(&["list", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap()["deliveries"][0]["id"], json!(id));
    assert!(run(&["breakers"]).1.contains("no circuit breaker is open"));

    answer_from_now_on(&rp, 200).await;
    assert_eq!(run(&["redeliver", &id]).0, 0);
    eventually(async || (rp.received_requests().await.unwrap().len() == 1).then_some(())).await;
    let (status, shown, _) = run(&["redeliver", "--client", "shop", "--state", "delivered"]);
    assert_eq!(status, 0);
    assert!(shown.contains("1 deliveries match"), "{shown}");
    eventually(async || (rp.received_requests().await.unwrap().len() == 2).then_some(())).await;

    let (status, _, said) = run(&["show", "nonsense"]);
    assert_eq!(status, 1);
    assert!(said.contains("404") && said.contains("no such delivery"), "{said}");
    assert!(!said.contains("error:"), "{said}");
    assert_eq!(run(&["redeliver"]).0, 2);
    assert_eq!(run(&["redeliver", &id, "--all"]).0, 2);
    app.stop().await;
}
