//! The audit trail of changes: one layer around every route that changes something, so that no handler can forget it.
//!
//! It records who made which request and how it was answered; never bodies, secrets, or the personal data that some
//! paths hold. A change is finished and recorded even if the caller disconnects meanwhile. Repeated refusals and failures
//! are counted, and recorded once a minute.

mod repeats;
mod route;
mod trail;

pub(crate) use route::RecordedRoute;
pub use trail::Trail;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use self::repeats::Written;
use crate::access::TrustedProxies;
use crate::domain::access::Caller;
use crate::domain::ids::ClientId;
use crate::domain::log::{Actor, Change, Channel};
use crate::http::error::{ErrorCode, panicked};
use crate::http::extract;

/// The longest texts of a request that are kept, in characters.
const MAX_PATH: usize = 512;
const MAX_USER_AGENT: usize = 256;
const MAX_REQUEST_ID: usize = 128;

/// What a handler adds to the record of its change: an extension of its response. Names and ids, never values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Note {
    /// The client it is about, where the path does not say.
    pub(crate) client_id: Option<ClientId>,
    /// The names of the members that were to be changed.
    pub(crate) changed: Vec<String>,
    /// The ids of what was made or changed, where the path does not say.
    pub(crate) affected: Vec<String>,
}

/// Records the requests of a route.
#[derive(Clone)]
pub(crate) struct Audited {
    pub(crate) route: Arc<RecordedRoute>,
    pub(crate) trail: Trail,
    pub(crate) proxies: TrustedProxies,
    /// Whether entries name users.
    pub(crate) subjects: bool,
}

/// Records the result of a request. It runs outside of authentication, so that it sees who was refused.
pub(crate) async fn audit(State(audited): State<Audited>, request: Request, next: Next) -> Response {
    let draft = Draft::of(&audited, &request);
    let (trail, if_it_panics) = (audited.trail.clone(), draft.clone());
    let work = async move {
        let mut response = next.run(request).await;
        if is_recorded(&response) {
            audited.trail.note(draft.answered(&mut response)).await;
        }
        response
    };
    // In a task of its own, which goes on when the connection, and with it this future, is gone.
    match tokio::spawn(work.instrument(tracing::Span::current())).await {
        Ok(response) => response,
        Err(ended) => {
            trail.note(if_it_panics.answered(&mut panicked(Box::new(())))).await;
            std::panic::resume_unwind(ended.into_panic())
        }
    }
}

/// Changes, refusals to authenticated callers, and failures are recorded. Left out is what says nothing of a change:
/// unauthenticated callers (401), what does not exist (404), and callers above their rate limit (429).
fn is_recorded(response: &Response) -> bool {
    let status = response.status();
    let is_known = response.extensions().get::<Caller>().is_some();
    !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND | StatusCode::TOO_MANY_REQUESTS)
        && (is_known || status.is_server_error())
}

/// A record without the result of the request.
#[derive(Clone)]
struct Draft(Written);

impl Draft {
    fn of(audited: &Audited, request: &Request) -> Self {
        let Audited { route, proxies, subjects, .. } = audited;
        let requested = request.uri().path();
        let client_id = route.client_id(requested);
        let user_id = route.user_id(requested).filter(|_| *subjects);
        let path = route.path(requested);
        let headers = request.headers();
        let change = Change {
            description: route.name().to_owned(),
            channel: Channel::Api { method: request.method().to_string(), path: shortened(&path, MAX_PATH) },
            object: route.object(requested),
            succeeded: false,
            status: None,
            error_code: None,
            changed: Vec::new(),
            affected: Vec::new(),
            actor: None,
            ip: extract::address(request, proxies).map(|address| address.to_string()),
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
