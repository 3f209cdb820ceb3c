//! The body of `POST /events`: read into room that was made for it before, and within a time.

use std::future::poll_fn;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use tokio::time::{Instant, timeout_at};

use crate::domain::access::Reporter;
use crate::http::error::{ApiError, MAX_BODY_BYTES, not_accepted};
use crate::intake::{Charge, Intake, SMALL_BODY};

/// How long a body may take, from its first byte to its last. Whoever is slower holds room that others need.
const DEADLINE: Duration = Duration::from_secs(30);

/// From how many bytes on a body is parsed elsewhere than where requests are answered, which it would hold up.
const LONG_TO_PARSE: usize = 64 * 1024;

/// A body, and the room that it takes.
pub(super) struct EventBytes {
    pub(super) bytes: Vec<u8>,
    pub(super) charge: Charge,
}

/// Reads a body. Nothing of it is taken off the wire before there is room for it.
pub(super) async fn read(
    intake: &Intake,
    reporter: &Reporter,
    headers: &HeaderMap,
    body: Body,
) -> Result<EventBytes, ApiError> {
    // A body whose length is not said is a small one until it shows that it is not; then it may be any.
    let expected = declared_length(headers).unwrap_or(SMALL_BODY);
    if expected > MAX_BODY_BYTES {
        return Err(ApiError::body_too_large());
    }
    let charge = make_room(intake, reporter, expected).await?;
    let mut arriving = Arriving::begin(body);
    if arriving.up_to(expected).await? {
        return Ok(EventBytes { bytes: arriving.bytes, charge });
    }
    drop(charge);
    let charge = make_room(intake, reporter, MAX_BODY_BYTES).await?;
    if arriving.up_to(MAX_BODY_BYTES).await? {
        return Ok(EventBytes { bytes: arriving.bytes, charge });
    }
    Err(ApiError::body_too_large())
}

/// What `Content-Length` says. Only room is made by it: how much is read does not depend on it.
fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn make_room(intake: &Intake, reporter: &Reporter, bytes: usize) -> Result<Charge, ApiError> {
    intake.make_room(reporter, bytes).await.map_err(|error| not_accepted(&error, false))
}

/// A body as it arrives.
struct Arriving {
    body: Body,
    bytes: Vec<u8>,
    /// When it must be here.
    deadline: Instant,
}

impl Arriving {
    fn begin(body: Body) -> Self {
        Self { body, bytes: Vec::new(), deadline: Instant::now() + DEADLINE }
    }

    /// Reads on to the end, or until there are more than so many bytes: then it is `false`.
    async fn up_to(&mut self, most: usize) -> Result<bool, ApiError> {
        while self.bytes.len() <= most {
            let frame = poll_fn(|context| Pin::new(&mut self.body).poll_frame(context));
            match timeout_at(self.deadline, frame).await {
                // What is not data is trailers, which nothing is read from.
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.bytes.extend_from_slice(&data);
                    }
                }
                Ok(None) => return Ok(true),
                Ok(Some(Err(_))) => return Err(ApiError::body_unreadable()),
                Err(_) => return Err(ApiError::body_too_slow(DEADLINE)),
            }
        }
        Ok(false)
    }
}

/// What comes of parsing a body, which a long one does on a thread where it holds nobody up.
pub(super) async fn parsed<T: Send + 'static>(
    bytes: Vec<u8>,
    parse: impl FnOnce(&[u8]) -> T + Send + 'static,
) -> T {
    if bytes.len() < LONG_TO_PARSE {
        return parse(&bytes);
    }
    match tokio::task::spawn_blocking(move || parse(&bytes)).await {
        Ok(events) => events,
        Err(ended) => resume_unwind(ended.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use futures_util::stream;

    use super::*;

    /// So many bytes, one a second.
    fn slow(bytes: usize) -> Arriving {
        Arriving::begin(Body::from_stream(stream::unfold(bytes, async |left| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            left.checked_sub(1).map(|left| (Ok::<_, std::io::Error>(vec![b'x']), left))
        })))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_a_time_by_which_it_must_be_here() {
        let mut arriving = slow(25);
        assert!(arriving.up_to(100).await.unwrap());
        assert_eq!(arriving.bytes.len(), 25);

        let mut arriving = slow(100);
        let refused = arriving.up_to(100).await.unwrap_err().into_response();
        assert_eq!(refused.status(), 408);
        assert!(arriving.bytes.len() <= 30, "{}", arriving.bytes.len());
        // However it is read: the time goes on.
        let mut arriving = slow(100);
        assert!(!arriving.up_to(20).await.unwrap());
        assert_eq!(arriving.up_to(100).await.unwrap_err().into_response().status(), 408);
    }

    #[tokio::test]
    async fn no_more_is_read_than_there_may_be() {
        let mut arriving = Arriving::begin(Body::from(vec![b'x'; 100]));
        assert!(!arriving.up_to(99).await.unwrap());
        let mut arriving = Arriving::begin(Body::from(vec![b'x'; 100]));
        assert!(arriving.up_to(100).await.unwrap());
    }
}
