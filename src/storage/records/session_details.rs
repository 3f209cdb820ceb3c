//! What sources report of a session beyond whose it is (`sessions.details`).

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::session_details::{
    Asn, AuthenticationMethod, CookieMode, Device, DeviceSnapshot, MethodName, SessionDetails, UserAgent,
};
use crate::domain::time::{normalized, of_millis};

/// The details of a session. Times are milliseconds since the Unix epoch.
#[derive(Default, Serialize, Deserialize)]
pub(in crate::storage) struct SessionDetailsRecord {
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
    initial: DeviceSnapshotRecord,
    last: DeviceSnapshotRecord,
}

#[derive(Serialize, Deserialize)]
struct DeviceSnapshotRecord {
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

fn millis(time: Timestamp) -> i64 {
    normalized(time).as_millisecond()
}

impl From<SessionDetails> for SessionDetailsRecord {
    fn from(details: SessionDetails) -> Self {
        let SessionDetails { device, authentication, last_interacted_at, cookie } = details;
        let method = |AuthenticationMethod { name, timestamp, r#type }| MethodRecord {
            name,
            at: timestamp.map(millis),
            r#type,
        };
        Self {
            device: device
                .map(|Device { initial, last }| DeviceRecord { initial: initial.into(), last: last.into() }),
            methods: authentication.map(|methods| methods.into_iter().map(method).collect()),
            last_interacted_at: last_interacted_at.map(millis),
            cookie,
        }
    }
}

impl From<SessionDetailsRecord> for SessionDetails {
    fn from(record: SessionDetailsRecord) -> Self {
        let SessionDetailsRecord { device, methods, last_interacted_at, cookie } = record;
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

impl From<DeviceSnapshot> for DeviceSnapshotRecord {
    fn from(DeviceSnapshot { user_agent, ip, asn }: DeviceSnapshot) -> Self {
        Self { user_agent, ip, asn }
    }
}

impl From<DeviceSnapshotRecord> for DeviceSnapshot {
    fn from(DeviceSnapshotRecord { user_agent, ip, asn }: DeviceSnapshotRecord) -> Self {
        Self { user_agent, ip, asn }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::records::golden::round_trip;

    #[test]
    fn the_stored_form_is_pinned() {
        let time: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
        let method = |name: &str, timestamp, r#type: Option<&str>| AuthenticationMethod {
            name: name.to_owned().try_into().unwrap(),
            timestamp,
            r#type: r#type.map(|it| it.to_owned().try_into().unwrap()),
        };
        let initial = DeviceSnapshot {
            user_agent: Some("Mozilla/5.0".to_owned().into()),
            ip: Some("192.0.2.1".parse().unwrap()),
            asn: Some("AS1221".to_owned().try_into().unwrap()),
        };
        let details = SessionDetails {
            device: Some(Device { initial, last: DeviceSnapshot::default() }),
            authentication: Some(vec![method("pwd", Some(time), None), method("mfa", None, Some("otp"))]),
            last_interacted_at: Some(time),
            cookie: Some(CookieMode::NonPersistent),
        };
        let read = round_trip("session_details", &SessionDetailsRecord::from(details.clone()));
        assert!(SessionDetails::from(read) == details);
    }
}
