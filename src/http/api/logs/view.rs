//! An entry of the audit trail as JSON, with Auth0's names.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::domain::ids::{ClientId, Sub};
use crate::domain::log::{Change, DeliveryOutcome, LogEvent, LogId, LogType};
use crate::http::schema::{Shown, shown};
use crate::storage::LogRecord;

/// An entry of the audit trail. What it does not have is left out.
#[derive(Serialize, ToSchema)]
#[schema(as = Log)]
pub(super) struct LogView {
    #[serde(rename = "_id")]
    #[schema(value_type = LogId)]
    id: String,
    #[schema(value_type = LogId)]
    log_id: String,
    #[schema(value_type = String, format = DateTime)]
    date: Shown,
    #[schema(value_type = LogType)]
    r#type: &'static str,
    /// What happened, such as "Update a client".
    description: String,
    /// The client it is about. (Auth0 has here the one that a change was made with.)
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ClientId)]
    client_id: Option<ClientId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    client_name: Option<String>,
    /// The user it is about; only if the configuration has users named.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Sub)]
    user_id: Option<Sub>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    user_agent: Option<String>,
    /// `request`, `response`, and what else is known: of a change, who made it and which members and ids it was
    /// about; of a delivery, its initiator, its session and its attempts.
    #[schema(value_type = Object)]
    details: Value,
}

impl LogView {
    /// The entry; `users`: whether it names the user it is about.
    pub(super) fn of(record: LogRecord, users: bool) -> Self {
        let LogRecord { entry, client_name } = record;
        let log_type = entry.log_type();
        let (log_id, r#type) = (entry.id.to_string(), log_type.as_str());
        let (description, details, ip, user_agent) = match entry.event {
            LogEvent::Change(change) => {
                let (details, change) = (change_details(&change), *change);
                (change.description, details, change.ip, change.user_agent)
            }
            LogEvent::Outcome(outcome) => {
                let description = log_type.description().unwrap_or_default().to_owned();
                (description, outcome_details(outcome), None, None)
            }
        };
        Self {
            id: log_id.clone(),
            log_id,
            date: shown(entry.id.at()),
            r#type,
            description,
            client_id: entry.client_id,
            client_name,
            user_id: entry.user_id.filter(|_| users),
            ip,
            user_agent,
            details,
        }
    }
}

fn change_details(change: &Change) -> Value {
    let mut request = json!(change.channel);
    if let Some(id) = &change.request_id {
        request["id"] = json!(id);
    }
    if let Some(actor) = &change.actor {
        request["auth"] = json!(actor);
    }
    let mut details = json!({"request": request, "response": {}});
    if let Some(object) = &change.object {
        details["object"] = json!({ "id": object });
    }
    if let Some(status) = change.status {
        details["response"]["statusCode"] = json!(status);
    }
    if let Some(code) = &change.error_code {
        details["response"]["errorCode"] = json!(code);
    }
    for (member, names) in [("changed", &change.changed), ("affected", &change.affected)] {
        if !names.is_empty() {
            details[member] = json!(names);
        }
    }
    if let Some(count) = change.count {
        details["count"] = json!(count);
    }
    details
}

fn outcome_details(outcome: DeliveryOutcome) -> Value {
    let DeliveryOutcome { delivery_id, state, initiator, sid, attempts, uri, status, error } = outcome;
    let mut details = json!({
        "request": {"method": "POST", "backchannel_logout_uri": uri},
        // Empty where no answer came, as Auth0's is after a timeout.
        "response": status.map_or_else(|| json!({}), |status| json!({"statusCode": status})),
        "initiator": initiator,
        "delivery_id": delivery_id,
        "state": state,
        "attempts": attempts,
    });
    if let Some(sid) = sid {
        details["session_id"] = json!(sid);
    }
    if let Some(error) = error {
        details["errors"] = json!([error]);
    }
    details
}
