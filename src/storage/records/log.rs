//! Entries of the audit trail (`audit_log.event`). Searches look into these members by their names, in SQL.

use serde::{Deserialize, Serialize};

use crate::domain::delivery::State;
use crate::domain::ids::{ClientId, DeliveryId, Sid};
use crate::domain::initiator::Initiator;
use crate::domain::log::{Actor, Change, Channel, DeliveryOutcome};

/// A change by an operator: entries of the types `sapi` and `fapi`.
#[derive(Serialize, Deserialize)]
pub(in crate::storage) struct ChangeRecord {
    description: String,
    asked: ChannelRecord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    succeeded: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changed: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    affected: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor: Option<ActorRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "channel", rename_all = "lowercase")]
enum ChannelRecord {
    Api { method: String, path: String },
    Cli { command: String },
}

#[derive(Serialize, Deserialize)]
struct ActorRecord {
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_id: Option<ClientId>,
}

/// What a delivery came to before it was redelivered: entries of the other types.
#[derive(Serialize, Deserialize)]
pub(in crate::storage) struct OutcomeRecord {
    delivery_id: DeliveryId,
    state: State,
    initiator: Initiator,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<Sid>,
    attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl From<Change> for ChangeRecord {
    fn from(change: Change) -> Self {
        let Change {
            description,
            channel,
            object,
            succeeded,
            status,
            error_code,
            changed,
            affected,
            actor,
            ip,
            user_agent,
            request_id,
            count,
        } = change;
        Self {
            description,
            asked: channel.into(),
            object,
            succeeded,
            status,
            error_code,
            changed,
            affected,
            actor: actor.map(ActorRecord::from),
            ip,
            user_agent,
            request_id,
            count,
        }
    }
}

impl From<ChangeRecord> for Change {
    fn from(record: ChangeRecord) -> Self {
        let ChangeRecord {
            description,
            asked,
            object,
            succeeded,
            status,
            error_code,
            changed,
            affected,
            actor,
            ip,
            user_agent,
            request_id,
            count,
        } = record;
        Self {
            description,
            channel: asked.into(),
            object,
            succeeded,
            status,
            error_code,
            changed,
            affected,
            actor: actor.map(Actor::from),
            ip,
            user_agent,
            request_id,
            count,
        }
    }
}

impl From<Channel> for ChannelRecord {
    fn from(channel: Channel) -> Self {
        match channel {
            Channel::Api { method, path } => Self::Api { method, path },
            Channel::Cli { command } => Self::Cli { command },
        }
    }
}

impl From<ChannelRecord> for Channel {
    fn from(record: ChannelRecord) -> Self {
        match record {
            ChannelRecord::Api { method, path } => Self::Api { method, path },
            ChannelRecord::Cli { command } => Self::Cli { command },
        }
    }
}

impl From<Actor> for ActorRecord {
    fn from(Actor { kind, id, name, client_id }: Actor) -> Self {
        Self { kind, id, name, client_id }
    }
}

impl From<ActorRecord> for Actor {
    fn from(ActorRecord { kind, id, name, client_id }: ActorRecord) -> Self {
        Self { kind, id, name, client_id }
    }
}

impl From<DeliveryOutcome> for OutcomeRecord {
    fn from(outcome: DeliveryOutcome) -> Self {
        let DeliveryOutcome { delivery_id, state, initiator, sid, attempts, uri, status, error } = outcome;
        Self { delivery_id, state, initiator, sid, attempts, uri, status, error }
    }
}

impl From<OutcomeRecord> for DeliveryOutcome {
    fn from(record: OutcomeRecord) -> Self {
        let OutcomeRecord { delivery_id, state, initiator, sid, attempts, uri, status, error } = record;
        Self { delivery_id, state, initiator, sid, attempts, uri, status, error }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::storage::records::golden::round_trip;

    #[test]
    fn the_stored_form_of_a_change_is_pinned() {
        let change = Change {
            description: "Update a client".to_owned(),
            channel: Channel::Api { method: "PATCH".to_owned(), path: "/api/v2/clients/shop".to_owned() },
            object: Some("shop".to_owned()),
            succeeded: false,
            status: Some(400),
            error_code: Some("invalid_body".to_owned()),
            changed: vec!["enabled".to_owned(), "initiators".to_owned()],
            affected: vec!["shop".to_owned()],
            actor: Some(Actor {
                kind: "access_token".to_owned(),
                id: Some("alice".to_owned()),
                name: Some("deploy".to_owned()),
                client_id: Some("terraform".parse().unwrap()),
            }),
            ip: Some("192.0.2.1".to_owned()),
            user_agent: Some("curl/8".to_owned()),
            request_id: Some("request-1".to_owned()),
            count: Some(3),
        };
        let read = round_trip("change_by_api", &ChangeRecord::from(change.clone()));
        assert_eq!(Change::from(read), change);
        let change = Change::by_command("Create an API token", "tokens create", Vec::new());
        let read = round_trip("change_by_command", &ChangeRecord::from(change.clone()));
        assert_eq!(Change::from(read), change);
    }

    #[test]
    fn the_stored_form_of_an_outcome_is_pinned() {
        let failed = DeliveryOutcome {
            delivery_id: DeliveryId(Uuid::from_u128(7)),
            state: State::Exhausted,
            initiator: Initiator::SessionRevoked,
            sid: Some("s-1".parse().unwrap()),
            attempts: 4,
            uri: Some("https://shop.example.com/logout".to_owned()),
            status: Some(503),
            error: Some("status_503".to_owned()),
        };
        let unsent = DeliveryOutcome { sid: None, uri: None, status: None, error: None, ..failed.clone() };
        for (name, outcome) in [("outcome", failed), ("outcome_without_an_attempt", unsent)] {
            let read = round_trip(name, &OutcomeRecord::from(outcome.clone()));
            assert_eq!(DeliveryOutcome::from(read), outcome);
        }
    }
}
