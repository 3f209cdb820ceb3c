//! What the audit trail can be searched by: Auth0's query syntax, and the parameters that its tools send.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, SqlSafeStr};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::app::{Setup, TestApp};
use crate::support::{TOKEN, ends, event, eventually};

const SUCCEEDED: &str = "oidc_backchannel_logout_succeeded";
const FAILED: &str = "oidc_backchannel_logout_failed";

/// Asks for entries with these parameters, as they are before they are encoded.
async fn ask(app: &TestApp, parameters: &[(&str, &str)]) -> (StatusCode, Value) {
    let url =
        reqwest::Url::parse_with_params(&format!("{}/api/v2/logs", app.management), parameters).unwrap();
    app.send(app.http.get(url).bearer_auth(TOKEN)).await
}

/// The entries that are found, the newest first.
async fn found(app: &TestApp, parameters: &[(&str, &str)]) -> Vec<Value> {
    let (status, answer) = ask(app, parameters).await;
    assert_eq!(status, StatusCode::OK, "{parameters:?}: {answer}");
    answer.as_array().unwrap_or_else(|| panic!("{parameters:?}: no bare list: {answer}")).clone()
}

/// What is found, in short: the client and the type of each entry, sorted.
fn in_short(entries: &[Value]) -> Vec<String> {
    let mut short: Vec<_> = entries
        .iter()
        .map(|entry| {
            format!("{} {}", entry["client_id"].as_str().unwrap_or("-"), entry["type"].as_str().unwrap())
        })
        .collect();
    short.sort();
    short
}

async fn answering(status: u16) -> MockServer {
    let rp = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(status)).mount(&rp).await;
    rp
}

/// A service whose trail has: an outcome at each of `shop`, `wiki` (which refused) and `a:b`, and two changes.
async fn with_entries() -> (TestApp, MockServer, MockServer) {
    let (taking, refusing) = (answering(200).await, answering(400).await);
    let app = Setup::new()
        .client("shop", &taking.uri(), "client_name = \"Shop 100%\"")
        .client("wiki", &refusing.uri(), "client_name = \"The Wiki\"")
        .client("a:b", &taking.uri(), "")
        .start()
        .await;
    app.outcome(&ends("s-1", &["shop", "wiki", "a:b"]), 30).await;
    let url = format!("{}/api/v2/clients", app.management);
    let body =
        json!({"client_id": "made", "client_name": "Made here", "id_token_signed_response_alg": "ES256"});
    let made = app.http.post(url).bearer_auth(TOKEN).header("user-agent", "curl/8.0").json(&body);
    assert_eq!(app.send(made).await.0, StatusCode::CREATED);
    assert_eq!(app.api(Method::DELETE, "/clients/shop", None).await.0, StatusCode::CONFLICT);
    (app, taking, refusing)
}

#[tokio::test]
async fn what_auth0s_tools_send_is_taken() {
    let (app, ..) = with_entries().await;
    // auth0-python 5 and node-auth0 7, with what they always send.
    let sdk = [("page", "0"), ("per_page", "50"), ("include_totals", "true"), ("search", "type:sslo")];
    let (status, page) = ask(&app, &sdk).await;
    assert_eq!((status, &page["total"], &page["length"]), (StatusCode::OK, &json!(2), &json!(2)), "{page}");
    // go-auth0, and the Auth0 CLI with it.
    let go = [
        ("q", "client_id:wiki"),
        ("search_engine", "v3"),
        ("page", "0"),
        ("per_page", "100"),
        ("sort", "date:-1"),
    ];
    assert_eq!(in_short(&found(&app, &go).await), [format!("wiki {FAILED}")]);
    let (status, answer) = ask(&app, &[("search_engine", "v1")]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(answer["message"], "search_engine: must be v3");
    app.stop().await;
}

#[tokio::test]
async fn search_looks_for_beginnings_without_case_unless_it_is_quoted() {
    let (app, ..) = with_entries().await;
    for (search, expected) in [
        ("client_name:sh", vec![format!("shop {SUCCEEDED}"), "shop fapi".to_owned()]),
        ("the", vec![format!("wiki {FAILED}")]),
        ("\"THE WIKI\"", vec![format!("wiki {FAILED}")]),
        ("\"THE WI\"", vec![]),
        ("application:the type:fslo", vec![format!("wiki {FAILED}")]),
        ("client_name:the type:sslo", vec![]),
        ("type:(sapi OR fapi)", vec!["made sapi".to_owned(), "shop fapi".to_owned()]),
    ] {
        let mut expected = expected;
        expected.sort();
        assert_eq!(in_short(&found(&app, &[("search", search)]).await), expected, "{search}");
    }
    // Everything that is said has to hold.
    let all = [("search", "client_name:shop"), ("q", "type:fapi OR type:sapi"), ("type", "fapi,sslo")];
    assert_eq!(in_short(&found(&app, &all).await), ["shop fapi"]);
    app.stop().await;
}

#[tokio::test]
async fn codes_are_auth0s_and_the_older_ones_find_them() {
    let (app, ..) = with_entries().await;
    let taken = [format!("a:b {SUCCEEDED}"), format!("shop {SUCCEEDED}")];
    for (name, value) in [
        ("q", "type:sslo"),
        ("q", "type:oidc_backchannel_logout_succeeded"),
        ("q", "type:\"oidc_backchannel_logout_succeeded\""),
        ("q", "type:*_succeeded"),
        ("q", "type:ss*"),
        ("type", "sslo"),
        ("type", "oidc_backchannel_logout_succeeded"),
    ] {
        assert_eq!(in_short(&found(&app, &[(name, value)]).await), taken, "{name}={value}");
    }
    assert_eq!(in_short(&found(&app, &[("type", "fslo")]).await), [format!("wiki {FAILED}")]);
    let (_, answer) = ask(&app, &[("type", "slo")]).await;
    let message = "type: must be a list of sapi, fapi, oidc_backchannel_logout_succeeded (or sslo), \
                   oidc_backchannel_logout_failed (or fslo)";
    assert_eq!(answer["message"], message);
    app.stop().await;
}

#[tokio::test]
async fn queries_take_operators_groups_days_and_wildcards() {
    let (app, ..) = with_entries().await;
    let today = jiff::Timestamp::now().to_string()[..10].to_owned();
    let all = ["a:b S", "made sapi", "shop S", "shop fapi", "wiki F"];
    for (q, expected) in [
        ("type:sslo OR type:fapi", vec!["a:b S", "shop S", "shop fapi"]),
        ("type:sslo || type:fapi", vec!["a:b S", "shop S", "shop fapi"]),
        ("type:sslo type:fapi", vec!["a:b S", "shop S", "shop fapi"]),
        ("NOT type:sslo", vec!["made sapi", "shop fapi", "wiki F"]),
        ("-type:sslo", vec!["made sapi", "shop fapi", "wiki F"]),
        ("!type:sslo AND NOT client_id:made", vec!["shop fapi", "wiki F"]),
        ("client_id:shop -type:fapi", vec!["shop S"]),
        ("+client_id:shop type:fapi", vec!["shop S", "shop fapi"]),
        ("client_id:shop NOT type:fapi", vec!["shop S"]),
        ("client_id:shop AND NOT (type:fapi OR type:sapi)", vec!["shop S"]),
        ("(client_id:shop OR client_id:wiki) AND (type:fslo OR type:fapi)", vec!["shop fapi", "wiki F"]),
        ("client_id:(shop OR wiki) && type:(fslo fapi)", vec!["shop fapi", "wiki F"]),
        // AND binds closer than OR.
        ("client_id:wiki OR client_id:shop AND type:fapi", vec!["shop fapi", "wiki F"]),
        ("client_id:s*", vec!["shop S", "shop fapi"]),
        ("client_id:*i*i", vec!["wiki F"]),
        ("client_id:S*", vec![]),
        ("client_id:a\\:b", vec!["a:b S"]),
        ("client_id:a:b", vec!["a:b S"]),
        ("client_id:\"a:b\"", vec!["a:b S"]),
        ("client_name:\"The Wiki\"", vec!["wiki F"]),
        // Neither `%` nor `_` is a wildcard, and what is quoted has none.
        ("client_name:*100%", vec!["shop S", "shop fapi"]),
        ("client_name:*%*Wiki", vec![]),
        ("client_id:wik_", vec![]),
        ("client_id:\"wik*\"", vec![]),
        ("client_id:[wiki]", vec!["!"]),
        ("NOT client_name:*", vec!["a:b S"]),
        ("description:\"Create a client\"", vec!["made sapi"]),
        ("description:Failed*", vec!["wiki F"]),
        ("description:*client", vec!["made sapi", "shop fapi"]),
        ("ip:127.0.0.1", vec!["made sapi", "shop fapi"]),
        ("ip:127.*", vec!["made sapi", "shop fapi"]),
        ("user_agent:curl/8*", vec!["made sapi"]),
        // What only entries of Auth0's have is in none of these.
        ("connection:*", vec![]),
        ("NOT user_name:alice AND type:fslo", vec!["wiki F"]),
        // Without a field: the names, the types, the address, the id, the description.
        ("\"The Wiki\"", vec!["wiki F"]),
        ("fapi", vec!["shop fapi"]),
        ("127.0.0.1 AND Create*", vec!["made sapi"]),
        ("*:*", all.to_vec()),
        (&format!("date:{today}"), all.to_vec()),
        (&format!("date:\"{today}\" AND type:fslo"), vec!["wiki F"]),
        (&format!("date:{}", &today[..7]), all.to_vec()),
        (&format!("date:[{today} TO {today}]"), all.to_vec()),
        (&format!("date:[* TO {today}}}"), vec![]),
        (&format!("NOT date:{today}"), vec![]),
        ("date:2026-01-01", vec![]),
        ("date:[2026-01-01 TO *]", all.to_vec()),
        ("date:[2026-01-01T10:00:00 TO 2026-01-01T12:00:00}", vec![]),
        ("date:2026-01-01 OR type:fslo", vec!["wiki F"]),
    ] {
        let (status, answer) = ask(&app, &[("q", q)]).await;
        if expected == ["!"] {
            assert_eq!(status, StatusCode::BAD_REQUEST, "{q}");
            continue;
        }
        assert_eq!(status, StatusCode::OK, "{q}: {answer}");
        let short = in_short(answer.as_array().unwrap());
        let mut expected: Vec<_> = expected
            .into_iter()
            .map(|it| it.replace(" S", &format!(" {SUCCEEDED}")).replace(" F", &format!(" {FAILED}")))
            .collect();
        expected.sort();
        assert_eq!(short, expected, "{q}");
    }
    app.stop().await;
}

#[tokio::test]
async fn auth0_logs_tail_goes_on_from_the_newest_entry_it_has() {
    let (app, ..) = with_entries().await;
    let tail = async |from: &str| {
        let q = format!("log_id:[{from} TO *]");
        let parameters = [
            ("page", "0"),
            ("per_page", "100"),
            ("sort", "date:-1"),
            ("search_engine", "v3"),
            ("q", q.as_str()),
        ];
        found(&app, &parameters).await
    };
    let seen = found(&app, &[("sort", "date:-1")]).await;
    let newest = seen[0]["log_id"].as_str().unwrap();
    // The range has its end in it: the CLI knows that one by its id.
    assert_eq!(tail(newest).await, seen[..1]);
    assert_eq!(tail(seen[2]["log_id"].as_str().unwrap()).await, seen[..3]);
    app.api(Method::POST, "/keys/signing/rotate", None).await;
    let more = tail(newest).await;
    assert_eq!((more.len(), &more[1]), (2, &seen[0]));
    assert_eq!(more[0]["description"], "Rotate the signing keys");
    let newest_only = format!("log_id:{{{newest} TO *]");
    assert_eq!(found(&app, &[("q", &newest_only)]).await, more[..1]);
    let before = format!("log_id:[* TO {newest}}}");
    assert_eq!(found(&app, &[("q", &before)]).await, seen[1..]);
    app.stop().await;
}

#[tokio::test]
async fn one_users_logouts_are_found_where_entries_may_name_users() {
    let rp = answering(200).await;
    let setup = Setup::new()
        .with("[audit]\nsubjects = true")
        .with("[issuer.pairwise]\nsalt = \"a salt of this test\"")
        .client("shop", &rp.uri(), "initiators = \"all\"")
        .client("wiki", &rp.uri(), "initiators = \"all\"\nsubject_type = \"pairwise\"")
        .client("once", &rp.uri(), "initiators = \"all\"\nsubject_logout = \"sub\"");
    let app = setup.start().await;
    let wiki = json!({"client_id": "wiki", "sub": "the-wikis-own-alice"});
    for (sid, sub, clients) in [
        ("s-1", "auth0|alice", json!(["shop", wiki])),
        ("s-2", "auth0|alice", json!(["once"])),
        ("s-3", "auth0|alicex", json!(["shop"])),
    ] {
        app.report(&event("session.created", json!({"sid": sid, "sub": sub, "clients": clients}))).await;
    }
    for sub in ["auth0|alice", "auth0|alicex"] {
        app.outcome(&event("session.terminated", json!({"sub": sub, "initiator": "rp-logout"})), 30).await;
    }
    app.api(Method::POST, "/users/auth0%7Calice/revoke-access", None).await;
    app.api(Method::DELETE, "/users/auth0%7Calicex/sessions", None).await;

    let expected = [
        "- sapi".to_owned(),
        format!("once {SUCCEEDED}"),
        format!("shop {SUCCEEDED}"),
        format!("wiki {SUCCEEDED}"),
    ];
    for q in ["user_id:\"auth0|alice\"", "user_id:auth0\\|alice", "user_id:auth0|alice AND NOT type:fapi"] {
        let entries = found(&app, &[("q", q)]).await;
        assert_eq!(in_short(&entries), expected, "{q}");
        assert!(entries.iter().all(|entry| entry["user_id"] == "auth0|alice"), "{entries:?}");
    }
    // Not the name by which one client knows her.
    assert!(found(&app, &[("q", "user_id:the-wikis-own-alice")]).await.is_empty());
    assert_eq!(found(&app, &[("q", "user_id:auth0*")]).await.len(), 6);
    let both = found(&app, &[("q", "user_id:\"auth0|alice\" OR user_id:\"auth0|alicex\"")]).await;
    assert_eq!(both.len(), 6);
    let shop = found(&app, &[("search", "user_id:\"AUTH0|ALICE\" client_id:shop")]).await;
    assert_eq!(in_short(&shop), [format!("shop {SUCCEEDED}")]);

    // What a redelivery leaves in the trail names her too.
    let path = format!("/deliveries/{}/redeliver", shop[0]["details"]["delivery_id"].as_str().unwrap());
    app.api(Method::POST, &path, None).await;
    let query = [("q", "user_id:\"auth0|alice\" AND client_id:shop")];
    let entries = eventually(async || Some(found(&app, &query).await).filter(|it| it.len() == 2)).await;
    assert!(entries.iter().all(|entry| entry["user_id"] == "auth0|alice"));

    // Without the setting no entry names anybody, not even what was written down with it.
    let app = app.stop().await.with("[audit]\nsubjects = false").start().await;
    for entry in found(&app, &[]).await {
        assert!(!entry.to_string().contains("alice"), "{entry}");
    }
    for (name, query) in [("q", "type:sslo AND NOT user_id:\"auth0|alice\""), ("search", "user:alice")] {
        let (status, answer) = ask(&app, &[(name, query)]).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
        let message = format!(
            "{name}: user_id: entries name no users; set `subjects = true` in the [audit] section of the configuration"
        );
        assert_eq!(answer["message"], message);
    }
    app.stop().await;
}

#[tokio::test]
async fn what_a_query_cannot_be_is_said() {
    let app = Setup::new().start().await;
    let (deep, long, many) = (
        format!("{}type:sslo{}", "(".repeat(1_000), ")".repeat(1_000)),
        format!("client_id:{}", "a".repeat(5_000)),
        vec!["type:sslo"; 101].join(" OR "),
    );
    let nots = format!("{}type:sslo", "NOT ".repeat(500));
    for (q, message) in [
        (
            "colour:red",
            "q: `colour` is no field of an entry; use type, client_id, client_name, user_id, ip, description, \
             user_agent, log_id or date",
        ),
        ("type:sslo AND colour:red", "q: `colour` is no field of an entry"),
        ("", "q: it ends where a term such as type:sslo is expected"),
        ("type:", "q: it ends where a value is expected"),
        ("type:sslo AND", "q: it ends where a term"),
        ("type:sslo OR OR type:fslo", "q: `OR` stands where a term"),
        ("(type:sslo", "q: it ends where `)` is expected"),
        ("type:sslo)", "q: `)` stands where a term"),
        ("type:(sslo", "q: it ends where `)` is expected"),
        ("client_id:\"shop", "q: it ends where a closing quotation mark is expected"),
        ("client_id:sh?p", "q: `sh?p`: ? is no wildcard"),
        ("client_id:shop~2", "q: `shop~2`: fuzzy"),
        ("client_id:shop^4", "q: `shop^4`: fuzzy"),
        ("client_id:a*b*c*d*e*f*g*h*i*j", "q: `a*b*c*d*e*f*g*h*i*j`: at most 8 wildcards"),
        ("client_id:[a TO b]", "q: client_id: ranges are for date and log_id"),
        ("log_id:7", "q: log_id: must be the log_id of an entry: 52 digits"),
        ("log_id:[7 TO *]", "q: log_id: must be the log_id of an entry: 52 digits"),
        ("date:yesterday", "q: `yesterday` is no time"),
        ("date:2026-13-01", "q: `2026-13-01` is no time"),
        ("date:[2026-01-01]", "q: `2026-01-01` stands where a range such as [2026-01-01 TO *] is expected"),
        ("date:[2026-01-01 TO *", "q: it ends where `]` or `}` is expected"),
        (&deep, "q: it must not be nested deeper than 20"),
        (&nots, "q: it must not be nested deeper than 20"),
        (&long, "q: it must be at most 4096 characters long, and has 5010"),
        (&many, "q: it must have at most 100 terms"),
    ] {
        let (status, answer) = ask(&app, &[("q", q)]).await;
        assert_eq!(
            (status, &answer["errorCode"]),
            (StatusCode::BAD_REQUEST, &json!("invalid_query_string")),
            "{q}"
        );
        assert!(answer["message"].as_str().unwrap().starts_with(message), "{q}: {answer}");
    }
    // What is allowed at the most is answered.
    let most = vec!["type:sslo"; 100].join(" OR ");
    assert!(found(&app, &[("q", &most)]).await.is_empty());
    let deepest = format!("{}type:sslo{}", "(".repeat(19), ")".repeat(19));
    assert!(found(&app, &[("q", &deepest)]).await.is_empty());
    app.stop().await;
}

async fn open(setup: &Setup) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(setup.folder.path().join("store.db"))
        .create_if_missing(true)
        .busy_timeout(Duration::from_secs(30));
    SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap()
}

#[tokio::test]
async fn a_search_that_no_index_serves_stops_and_says_where() {
    let setup = Setup::new().start().await.stop().await;
    let store = open(&setup).await;
    // The one that is looked for is the oldest of more than a search goes through.
    sqlx::query(
        "WITH RECURSIVE numbers (n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM numbers WHERE n < 210000)
         INSERT INTO deliveries (id, sid, sub_is_public, client_id, initiator, session_metadata, state, attempts,
             created_at, due_at, expires_at, settled_at)
         SELECT unhex(printf('%032x', n)), 's', 0, iif(n = 0, 'rare', 'often'), 'rp-logout', '{}', 'delivered', 1,
             0, 0, 0, 1767225600000 + n / 3
         FROM numbers",
    )
    .execute(&store)
    .await
    .unwrap();
    store.close().await;
    let app = setup.with_store_setting("retention = \"3650d\"").start().await;

    for parameters in [vec![("client_id", "rare")], vec![("q", "client_id:rare"), ("include_totals", "true")]]
    {
        let (status, answer) = ask(&app, &parameters).await;
        assert_eq!(
            (status, &answer["errorCode"]),
            (StatusCode::BAD_REQUEST, &json!("search_too_broad")),
            "{answer}"
        );
        let message = answer["message"].as_str().unwrap();
        assert!(message.starts_with("The search got as far as 2026-01-01T00:00:03."), "{message}");
    }
    // A date, or another end to begin at, is enough; and what is found in time is an answer.
    let near = [("q", "client_id:rare AND date:[* TO 2026-01-01T00:00:10]")];
    assert_eq!(found(&app, &near).await.len(), 1);
    assert_eq!(found(&app, &[("client_id", "rare"), ("sort", "date:1"), ("per_page", "1")]).await.len(), 1);
    let (_, page) = ask(&app, &[("q", "client_id:o*"), ("include_totals", "true"), ("per_page", "5")]).await;
    assert_eq!((&page["length"], &page["total"]), (&json!(5), &json!(1000)));
    // What no entry can be is known without a search.
    assert!(found(&app, &[("q", "connection:x AND client_id:rare")]).await.is_empty());

    // From checkpoint to checkpoint every entry is gone through once.
    let (mut pages, mut seen) = (0, 0);
    let mut next = "take=100&q=NOT+client_id:often".to_owned();
    loop {
        let url = format!("{}/api/v2/logs?{next}", app.management);
        let response = app.http.get(url).bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let link = response.headers()["link"].to_str().unwrap().to_owned();
        let link = link.strip_prefix("</api/v2/logs?").unwrap().strip_suffix(">; rel=\"next\"").unwrap();
        seen += response.json::<Vec<Value>>().await.unwrap().len();
        pages += 1;
        if link == next {
            break;
        }
        next = link.to_owned();
    }
    assert_eq!((seen, pages), (1, 2), "from {next}");
    app.stop().await;
}

#[tokio::test]
async fn a_store_of_the_first_version_keeps_its_trail() {
    let rp = answering(200).await;
    let setup = Setup::new().client("shop", &rp.uri(), "");
    let store = open(&setup).await;
    let initial = include_str!("../../../../src/storage/sqlite/migrations/0001_initial.sql");
    let initial = Migration::new(1, "initial".into(), MigrationType::Simple, initial.into_sql_str(), false);
    Migrator::with_migrations(vec![initial]).run(&store).await.unwrap();
    let outcome = |state: &str| {
        json!({"delivery_id": uuid::Uuid::from_u128(7), "state": state, "initiator": "rp-logout", "sid": "s-1",
               "attempts": 1, "uri": "https://rp/", "status": 200})
    };
    let change = json!({"description": "Create a client", "asked": {"channel": "api", "method": "POST",
                        "path": "/api/v2/clients"}, "succeeded": true, "status": 201, "ip": "127.0.0.1"});
    let at = jiff::Timestamp::now().as_millisecond() - 60_000;
    for (n, (code, event)) in
        [("sslo", outcome("delivered")), ("fslo", outcome("rejected")), ("sapi", change)]
            .into_iter()
            .enumerate()
    {
        let n = i64::try_from(n).unwrap();
        sqlx::query(AssertSqlSafe(
            "INSERT INTO audit_log (at, id, type, client_id, event) VALUES (?, ?, ?, 'shop', ?)",
        ))
        .bind(at + n)
        .bind(uuid::Uuid::from_u128(7))
        .bind(code)
        .bind(event.to_string())
        .execute(&store)
        .await
        .unwrap();
    }
    store.close().await;
    let app = setup.start().await;
    let types: Vec<_> =
        found(&app, &[]).await.iter().map(|entry| entry["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(types, ["sapi", FAILED, SUCCEEDED]);
    assert_eq!(found(&app, &[("q", "type:sslo")]).await.len(), 1);
    app.outcome(&ends("s-2", &["shop"]), 10).await;
    assert_eq!(found(&app, &[("type", SUCCEEDED)]).await.len(), 2);
    app.stop().await;
}
