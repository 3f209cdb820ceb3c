//! What a source has reported of a session besides its user, in Auth0's members. What was not reported is left out.

use std::net::IpAddr;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::session_details::{
    Asn, AuthenticationMethod, CookieMode, Device, DeviceSnapshot, MethodName, UserAgent,
};
use crate::http::schema::{Shown, shown};

/// Where the user logged in, and was last seen.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionDevice)]
#[serde(rename_all = "snake_case")]
pub(super) struct DeviceView {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    initial_user_agent: Option<UserAgent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    initial_ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    initial_asn: Option<Asn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    last_user_agent: Option<UserAgent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    last_ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    last_asn: Option<Asn>,
}

/// How the user authenticated.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionAuthentication)]
pub(super) struct AuthenticationView {
    methods: Vec<MethodView>,
}

/// One way in which the user authenticated.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionAuthenticationMethod)]
struct MethodView {
    /// Such as `pwd`, `federated`, `passkey`, `mfa`, or a URL of the OP's own.
    #[schema(value_type = String)]
    name: MethodName,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, required = false)]
    timestamp: Option<Shown>,
    /// Which factor, of `mfa`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    r#type: Option<MethodName>,
}

/// The OP's cookie.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionCookie)]
pub(super) struct CookieView {
    pub(super) mode: CookieMode,
}

impl From<Device> for DeviceView {
    fn from(Device { initial, last }: Device) -> Self {
        let DeviceSnapshot { user_agent: initial_user_agent, ip: initial_ip, asn: initial_asn } = initial;
        let DeviceSnapshot { user_agent: last_user_agent, ip: last_ip, asn: last_asn } = last;
        Self { initial_user_agent, initial_ip, initial_asn, last_user_agent, last_ip, last_asn }
    }
}

impl From<Vec<AuthenticationMethod>> for AuthenticationView {
    fn from(methods: Vec<AuthenticationMethod>) -> Self {
        let view = |AuthenticationMethod { name, timestamp, r#type }| MethodView {
            name,
            timestamp: timestamp.map(shown),
            r#type,
        };
        Self { methods: methods.into_iter().map(view).collect() }
    }
}
