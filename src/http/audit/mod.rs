//! The audit trail of changes: one layer around every route that changes something, so that none can forget it.
//!
//! It writes down who asked for what and what was answered; never bodies, secrets, or the personal data that
//! some paths hold. A change is finished and written down even if whoever asked hangs up meanwhile. What is refused,
//! or fails, again and again is counted for a minute.

mod described;
mod repeats;
mod trail;

pub use trail::Trail;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::Value;
use tracing::Instrument as _;

use self::described::Described;
use self::repeats::Written;
use crate::domain::access::Caller;
use crate::domain::ids::ClientId;
use crate::domain::log::{Actor, Asked, Change};
use crate::http::error::{ErrorCode, panicked};
use crate::http::extract::peer;
use crate::http::state::HttpState;

/// The longest texts that are kept of what a caller wrote, in characters.
const MAX_PATH: usize = 512;
const MAX_USER_AGENT: usize = 256;
const MAX_REQUEST_ID: usize = 128;

/// What a handler says of its change beyond what the request does: an extension of its response. Names and
/// ids, never values.
#[derive(Clone, Debug, Default)]
pub(super) struct Note {
    /// The client it is about, where the path does not say.
    pub(super) client_id: Option<ClientId>,
    /// The names of the members that were to be changed.
    pub(super) changed: Vec<String>,
    /// The ids of what was made or changed, where the path does not say.
    pub(super) affected: Vec<String>,
}

impl Note {
    /// The names of the members of a JSON body that was understood.
    pub(super) fn of_members(body: &[u8]) -> Self {
        let members: BTreeMap<String, Value> = serde_json::from_slice(body).unwrap_or_default();
        Self { changed: members.into_keys().collect(), ..Self::default() }
    }
}

/// A route whose requests are written down.
#[derive(Clone)]
pub(super) struct Audited {
    state: Arc<HttpState>,
    method: Method,
    path: &'static str,
}

impl Audited {
    /// This route, if it changes something that operators manage, or lets somebody in to do that. Events have their own
    /// record.
    pub(super) fn route(state: &Arc<HttpState>, method: &Method, path: &'static str) -> Option<Self> {
        let changes = (path.starts_with("/api/v2/") || path == "/oauth/token") && !method.is_safe();
        changes.then(|| Self { state: Arc::clone(state), method: method.clone(), path })
    }
}

/// Writes down what comes of a request. It lies outside of authentication, so that it sees who was refused.
pub(super) async fn audit(State(audited): State<Audited>, request: Request, next: Next) -> Response {
    let draft = Draft::of(&audited, &request);
    let (state, if_it_panics) = (Arc::clone(&audited.state), draft.clone());
    let work = async move {
        let mut response = next.run(request).await;
        if is_recorded(&response) {
            state.trail.note(draft.answered(&mut response)).await;
        }
        response
    };
    // A task of its own goes on when the connection, and with it this future, is gone.
    match tokio::spawn(work.instrument(tracing::Span::current())).await {
        Ok(response) => response,
        Err(ended) => {
            audited.state.trail.note(if_it_panics.answered(&mut panicked(Box::new(())))).await;
            std::panic::resume_unwind(ended.into_panic())
        }
    }
}

/// What changed something, what was refused to somebody who is known, and what failed. Left out is what says
/// nothing of a change: strangers, what is not there (404), and callers who are too fast (429).
fn is_recorded(response: &Response) -> bool {
    let status = response.status();
    let is_known = response.extensions().get::<Caller>().is_some();
    !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND | StatusCode::TOO_MANY_REQUESTS)
        && (is_known || status.is_server_error())
}

/// What the request says.
#[derive(Clone)]
struct Draft(Written);

impl Draft {
    fn of(audited: &Audited, request: &Request) -> Self {
        let Audited { state, method, path } = audited;
        let described = Described::route(method, path);
        let requested = request.uri().path();
        let client_id = described.client_id(requested);
        let user_id = described.user_id(requested).filter(|_| state.audit_subjects);
        let object = described.object(requested);
        let path = described.path(requested);
        let headers = request.headers();
        let change = Change {
            description: described.description(),
            asked: Asked::Api { method: method.to_string(), path: shortened(&path, MAX_PATH) },
            object,
            succeeded: false,
            status: None,
            error_code: None,
            changed: Vec::new(),
            affected: Vec::new(),
            actor: None,
            ip: peer::address(request, &audited.state.proxies).map(|address| address.to_string()),
            user_agent: text(headers, "user-agent", MAX_USER_AGENT),
            request_id: text(headers, "x-request-id", MAX_REQUEST_ID),
            count: None,
        };
        Self(Written { change, client_id, user_id })
    }

    fn answered(self, response: &mut Response) -> Written {
        let Self(Written { mut change, client_id, user_id }) = self;
        change.succeeded = response.status().is_success();
        change.status = Some(response.status().as_u16());
        let extensions = response.extensions_mut();
        change.error_code = extensions.remove::<ErrorCode>().map(|ErrorCode(code)| code.to_owned());
        change.actor = extensions.remove::<Caller>().map(Actor::from);
        let note = extensions.remove::<Note>().unwrap_or_default();
        change.changed = note.changed;
        change.affected = note.affected;
        Written { change, client_id: client_id.or(note.client_id), user_id }
    }
}

fn text(headers: &HeaderMap, name: &str, most: usize) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    Some(shortened(text, most))
}

fn shortened(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
