//! `logoutd sessions show`, and how a session is shown.

use clap::Args;
use serde_json::Value;

use super::{
    Api, ApiArgs, Segment, items, path, plain, print_field, print_json, print_rest, printable, seconds, text,
};

/// What is shown of every session: the member, and what it is called here.
const ROWS: [(&str, &str); 9] = [
    ("id", "session"),
    ("user_id", "user"),
    ("created_at", "created"),
    ("updated_at", "updated"),
    ("authenticated_at", "authenticated"),
    ("last_interacted_at", "last seen"),
    ("idle_expires_at", "idle until"),
    ("expires_at", "until"),
    ("flow", "flow"),
];

/// What is shown in some other way.
const SHOWN: [&str; 5] = ["clients", "session_metadata", "device", "authentication", "cookie"];

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The session: its `sid`
    #[arg(value_name = "SID")]
    sid: Segment,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(args: ShowArgs) -> anyhow::Result<()> {
    let session = Api::new(&args.api)?.get(&path(&args.sid), &[]).await?;
    if args.api.json {
        print_json(&session);
    } else {
        print(&session);
    }
    Ok(())
}

/// Shows a session, all of it.
pub(super) fn print(session: &Value) {
    for (member, name) in ROWS {
        match &session[member] {
            Value::Null => {}
            Value::String(time) if member.ends_with("_at") => print_field(name, &seconds(time)),
            value => print_field(name, &plain(value)),
        }
    }
    print_field("clients", &clients(session));
    for (member, value) in session["device"].as_object().into_iter().flatten() {
        print_field(&printable(&member.replace('_', " ")), &plain(value));
    }
    for method in items(&session["authentication"], "methods") {
        print_field("method", &self::method(method));
    }
    print_field("cookie", text(&session["cookie"], "mode"));
    for (key, value) in session["session_metadata"].as_object().into_iter().flatten() {
        print_field("metadata", &format!("{} = {}", printable(key), plain(value)));
    }
    if let Some(members) = session.as_object() {
        let shown: Vec<_> = ROWS.iter().map(|(member, _)| *member).chain(SHOWN).collect();
        print_rest(members, &shown);
    }
}

/// A way in which the user authenticated: `mfa (otp), 2026-01-02 03:04:05`.
fn method(method: &Value) -> String {
    let kind = match text(method, "type") {
        "" => String::new(),
        kind => format!(" ({})", printable(kind)),
    };
    let at = match text(method, "timestamp") {
        "" => String::new(),
        time => format!(", {}", seconds(time)),
    };
    format!("{}{kind}{at}", printable(text(method, "name")))
}

/// The clients the user logged in to.
pub(super) fn clients(session: &Value) -> String {
    let clients = session["clients"].as_array().into_iter().flatten();
    clients.map(|client| text(client, "client_id")).collect::<Vec<_>>().join(", ")
}
