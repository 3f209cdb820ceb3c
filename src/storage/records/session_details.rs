//! What a source told of a session, as it is stored: one column of JSON, in a form of its own.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::columns::{millis, to_json};
use crate::domain::session_details::{
    Asn, AuthenticationMethod, CookieMode, Device, MethodName, SessionDetails, UserAgent, Whereabouts,
};
use crate::domain::time::of_millis;

/// The column. Times are milliseconds since the Unix epoch.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct DetailsRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<DeviceRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    methods: Option<Vec<MethodRecord>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_interacted_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cookie: Option<CookieMode>,
}

#[derive(Serialize, Deserialize)]
struct DeviceRecord {
    initial: WhereaboutsRecord,
    last: WhereaboutsRecord,
}

#[derive(Serialize, Deserialize)]
struct WhereaboutsRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_agent: Option<UserAgent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asn: Option<Asn>,
}

#[derive(Serialize, Deserialize)]
struct MethodRecord {
    name: MethodName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    r#type: Option<MethodName>,
}

/// The column's text; `None` where nothing was told.
pub(super) fn column(details: &SessionDetails) -> Option<String> {
    if details.is_empty() {
        return None;
    }
    let SessionDetails { device, authentication, last_interacted_at, cookie } = details.clone();
    let method = |AuthenticationMethod { name, timestamp, r#type }| MethodRecord {
        name,
        at: timestamp.map(millis),
        r#type,
    };
    Some(to_json(&DetailsRecord {
        device: device
            .map(|Device { initial, last }| DeviceRecord { initial: initial.into(), last: last.into() }),
        methods: authentication.map(|methods| methods.into_iter().map(method).collect()),
        last_interacted_at: last_interacted_at.map(millis),
        cookie,
    }))
}

impl From<DetailsRecord> for SessionDetails {
    fn from(record: DetailsRecord) -> Self {
        let DetailsRecord { device, methods, last_interacted_at, cookie } = record;
        let method = |MethodRecord { name, at, r#type }| AuthenticationMethod {
            name,
            timestamp: at.map(of_millis),
            r#type,
        };
        Self {
            device: device.map(|it| Device { initial: it.initial.into(), last: it.last.into() }),
            authentication: methods.map(|methods| methods.into_iter().map(method).collect()),
            last_interacted_at: last_interacted_at.map(of_millis),
            cookie,
        }
    }
}

impl From<Whereabouts> for WhereaboutsRecord {
    fn from(Whereabouts { user_agent, ip, asn }: Whereabouts) -> Self {
        Self { user_agent, ip, asn }
    }
}

impl From<WhereaboutsRecord> for Whereabouts {
    fn from(WhereaboutsRecord { user_agent, ip, asn }: WhereaboutsRecord) -> Self {
        Self { user_agent, ip, asn }
    }
}
