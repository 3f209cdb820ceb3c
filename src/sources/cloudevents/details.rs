//! Optional members of an event's data about the session, in Auth0's shapes.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::Deserialize;

use super::FieldError;
use crate::domain::session_details::{
    Asn, AuthenticationMethod, CookieMode, Device, DeviceSnapshot, MAX_METHODS, MethodName, SessionDetails,
    UserAgent,
};
use crate::domain::time;
use crate::json::Object;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeviceData {
    initial_user_agent: Option<UserAgent>,
    #[serde(default, deserialize_with = "ip")]
    initial_ip: Option<IpAddr>,
    initial_asn: Option<Asn>,
    last_user_agent: Option<UserAgent>,
    #[serde(default, deserialize_with = "ip")]
    last_ip: Option<IpAddr>,
    last_asn: Option<Asn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthenticationData {
    methods: Vec<Object<MethodData>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MethodData {
    name: MethodName,
    #[serde(default, deserialize_with = "time::option")]
    timestamp: Option<Timestamp>,
    r#type: Option<MethodName>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CookieData {
    mode: CookieMode,
}

/// The session details in these members.
pub(super) fn details(
    device: Option<DeviceData>,
    authentication: Option<AuthenticationData>,
    last_interacted_at: Option<Timestamp>,
    cookie: Option<CookieData>,
) -> Result<SessionDetails, FieldError> {
    let methods = authentication.map(|it| it.methods);
    if let Some(methods) = methods.as_ref().filter(|methods| methods.len() > MAX_METHODS) {
        let message = format!("must have at most {MAX_METHODS} methods, and has {}", methods.len());
        return Err(FieldError::new("authentication.methods", message));
    }
    let method =
        |Object(MethodData { name, timestamp, r#type })| AuthenticationMethod { name, timestamp, r#type };
    Ok(SessionDetails {
        device: device.map(DeviceData::into_device),
        authentication: methods.map(|methods| methods.into_iter().map(method).collect()),
        last_interacted_at,
        cookie: cookie.map(|it| it.mode),
    })
}

impl DeviceData {
    fn into_device(self) -> Device {
        Device {
            initial: DeviceSnapshot {
                user_agent: self.initial_user_agent,
                ip: self.initial_ip,
                asn: self.initial_asn,
            },
            last: DeviceSnapshot { user_agent: self.last_user_agent, ip: self.last_ip, asn: self.last_asn },
        }
    }
}

fn ip<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<IpAddr>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let problem = "must be an IPv4 or IPv6 address such as 192.0.2.1 or 2001:db8::1, without a port";
    text.parse().map(Some).map_err(|_| serde::de::Error::custom(problem))
}
