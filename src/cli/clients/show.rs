//! `logoutd clients show`, and the output of a client.

use anstyle::Style;
use clap::Args;
use serde_json::Value;

use super::{Api, ApiArgs, Segment, path, plain, print_field, print_json, print_rest, seconds, text};
use crate::cli::style::{BAD, GOOD, WAITING, paint};

/// The members that come first, with their labels. Others follow under their own names.
const ROWS: [(&str, &str); 12] = [
    ("client_name", "name"),
    ("backchannel_logout_uri", "logout uri"),
    ("backchannel_logout_session_required", "session required"),
    ("id_token_signed_response_alg", "alg"),
    ("initiators", "initiators"),
    ("session_metadata", "session metadata"),
    ("token", "token"),
    ("subject_logout", "subject logout"),
    ("subject_type", "subject type"),
    ("sector_identifier_uri", "sector identifier"),
    ("created_at", "created"),
    ("updated_at", "updated"),
];

/// Members with a form of their own, and those that repeat others under Auth0's names.
const SHOWN: [&str; 7] = ["client_id", "enabled", "subscribed", "origin", "name", "global", "oidc_logout"];

/// The most characters of a descriptive member that are shown.
const MAX_CHARS: usize = 200;

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The client
    #[arg(value_name = "CLIENT")]
    id: Segment,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(args: ShowArgs) -> anyhow::Result<()> {
    let client = Api::new(&args.api)?.get(&path(&args.id), &[]).await?;
    if args.api.json {
        print_json(&client);
    } else {
        print(&client);
    }
    Ok(())
}

/// Prints a client.
pub(super) fn print(client: &Value) {
    print_field("client", text(client, "client_id"));
    let (style, word) = standing(client);
    let why = match word {
        "disabled" => ": what is to be delivered to it waits",
        "unsubscribed" if client["backchannel_logout_uri"].is_null() => ": it has no logout URI",
        "unsubscribed" => ": it answered 410 (Gone); set its logout URI again",
        _ => "",
    };
    print_field("standing", &format!("{}{why}", paint(style, word)));
    let origin = text(client, "origin");
    let read_only = if origin == "file" { ": it is changed there, and read-only here" } else { "" };
    print_field("from", &format!("{origin}{read_only}"));
    for (member, name) in ROWS {
        match &client[member] {
            Value::Null => {}
            Value::String(time) if member.ends_with("_at") => print_field(name, &seconds(time)),
            value => print_field(name, &plain(value)),
        }
    }
    if let Some(members) = client.as_object() {
        let shown: Vec<_> = ROWS.iter().map(|(member, _)| *member).chain(SHOWN).collect();
        let shortened = members.iter().map(|(name, value)| (name.clone(), shortened(value))).collect();
        print_rest(&shortened, &shown);
    }
}

/// The value, or the beginning of a long one, such as a login page.
fn shortened(value: &Value) -> Value {
    let text = plain(value);
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}… ({} bytes; --json has all of it)", &text[..end], text.len()).into(),
        None => value.clone(),
    }
}

/// Whether a client gets logout tokens, as a word with its style.
pub(super) fn standing(client: &Value) -> (Style, &'static str) {
    match (&client["subscribed"], &client["enabled"]) {
        (Value::Bool(true), Value::Bool(true)) => (GOOD, "subscribed"),
        (Value::Bool(true), _) => (WAITING, "disabled"),
        _ => (BAD, "unsubscribed"),
    }
}
