//! A session as JSON: Auth0's members, and the flow it was made in.

use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, ETAG};
use axum::response::{IntoResponse, Response};
use axum::{Json, http::HeaderMap};
use serde::Serialize;
use utoipa::ToSchema;

use super::details::{AuthenticationView, CookieView, DeviceView};
use crate::domain::ids::{ClientId, Sid, Sub};
use crate::domain::metadata::SessionMetadata;
use crate::domain::session::{Flow, Session};
use crate::domain::session_details::SessionDetails;
use crate::http::schema::{Shown, shown};

/// A session. Its user and metadata are personal data: they are shown to callers who may read sessions.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionView {
    id: Sid,
    /// The user; `null` for a session that was never reported.
    #[schema(required = true)]
    user_id: Option<Sub>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Shown,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Shown,
    #[schema(value_type = String, format = DateTime)]
    authenticated_at: Shown,
    /// When the session ends unless it is reported again before.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    idle_expires_at: Option<Shown>,
    /// When the session expires.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    expires_at: Option<Shown>,
    /// When the user was last there, if a source has reported it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, required = false)]
    last_interacted_at: Option<Shown>,
    /// Where the user logged in, and was last seen, if a source has reported it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = DeviceView, required = false)]
    device: Option<DeviceView>,
    /// How the user authenticated, if a source has reported it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = AuthenticationView, required = false)]
    authentication: Option<AuthenticationView>,
    /// The OP's cookie, if a source has reported it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = CookieView, required = false)]
    cookie: Option<CookieView>,
    /// The clients the user logged in to.
    clients: Vec<ClientRef>,
    session_metadata: SessionMetadata,
    flow: Flow,
}

/// A client that takes part in a session.
#[derive(Serialize, ToSchema)]
struct ClientRef {
    client_id: ClientId,
}

impl From<Session> for SessionView {
    fn from(session: Session) -> Self {
        let SessionDetails { device, authentication, last_interacted_at, cookie } = session.details;
        Self {
            id: session.sid,
            user_id: session.sub,
            created_at: shown(session.created_at),
            updated_at: shown(session.updated_at),
            authenticated_at: shown(session.authenticated_at.unwrap_or(session.created_at)),
            idle_expires_at: session.idle_expires_at.map(shown),
            expires_at: session.expires_at.map(shown),
            last_interacted_at: last_interacted_at.map(shown),
            device: device.map(DeviceView::from),
            authentication: authentication.map(AuthenticationView::from),
            cookie: cookie.map(|mode| CookieView { mode }),
            clients: session.participants.into_keys().map(|client_id| ClientRef { client_id }).collect(),
            session_metadata: session.session_metadata,
            flow: session.flow,
        }
    }
}

/// The answer with a session: its revision is the `ETag`, for `If-Match`.
pub(super) fn answer(session: Session) -> Response {
    let etag = format!("\"{}\"", session.revision);
    let etag = HeaderValue::from_str(&etag).expect("digits are valid in a header");
    // A proxy that compressed it would make its tag weak, and no weak tag matches.
    let as_it_is = HeaderValue::from_static("no-transform");
    (HeaderMap::from_iter([(ETAG, etag), (CACHE_CONTROL, as_it_is)]), Json(SessionView::from(session)))
        .into_response()
}
