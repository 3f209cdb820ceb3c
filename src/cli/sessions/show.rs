//! `logoutd sessions show`, and printing a session.

use clap::Args;
use serde_json::Value;

use super::{
    Api, ApiArgs, Segment, items, path, plain, print_field, print_json, print_rest, printable, seconds, text,
};

/// The members printed for every session, and their labels.
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

/// Members that are printed in another form.
const SHOWN: [&str; 5] = ["clients", "session_metadata", "device", "authentication", "cookie"];

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The `sid` of the session
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

/// Prints all members of a session.
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

/// An authentication method: `mfa (otp), 2026-01-02 03:04:05`.
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

/// The ids of the clients of a session.
pub(super) fn clients(session: &Value) -> String {
    let clients = session["clients"].as_array().into_iter().flatten();
    clients.map(|client| text(client, "client_id")).collect::<Vec<_>>().join(", ")
}
