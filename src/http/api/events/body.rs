//! The body of `POST /events`: read within a time limit, into memory that was reserved for it before.

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
use crate::intake::{Intake, MemoryPermit, SMALL_BODY};

/// How long a body may take, from its first byte to its last. A slower one holds memory that others need.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The length from which a body is parsed on a blocking thread, in bytes: it would hold up an async worker.
const MIN_BLOCKING_PARSE: usize = 64 * 1024;

/// A body, and the memory that is reserved for it.
pub(super) struct EventBytes {
    pub(super) bytes: Vec<u8>,
    pub(super) memory: MemoryPermit,
}

/// Reads a body. Nothing of it is read before memory is reserved for it.
pub(super) async fn read(
    intake: &Intake,
    reporter: &Reporter,
    headers: &HeaderMap,
    body: Body,
) -> Result<EventBytes, ApiError> {
    // A body of unknown length counts as small until it is longer; then it may have any length.
    let expected = declared_length(headers).unwrap_or(SMALL_BODY);
    if expected > MAX_BODY_BYTES {
        return Err(ApiError::body_too_large());
    }
    let memory = reserve_memory(intake, reporter, expected).await?;
    let mut reader = BodyReader::new(body);
    if reader.read_up_to(expected).await? {
        return Ok(EventBytes { bytes: reader.bytes, memory });
    }
    drop(memory);
    let memory = reserve_memory(intake, reporter, MAX_BODY_BYTES).await?;
    if reader.read_up_to(MAX_BODY_BYTES).await? {
        return Ok(EventBytes { bytes: reader.bytes, memory });
    }
    Err(ApiError::body_too_large())
}

/// The value of `Content-Length`. It only decides how much memory is reserved, and not how much is read.
fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn reserve_memory(
    intake: &Intake,
    reporter: &Reporter,
    bytes: usize,
) -> Result<MemoryPermit, ApiError> {
    intake.reserve_memory(reporter, bytes).await.map_err(|error| not_accepted(&error, None))
}

/// A body that is being read.
struct BodyReader {
    body: Body,
    bytes: Vec<u8>,
    /// When it must be complete.
    deadline: Instant,
}

impl BodyReader {
    fn new(body: Body) -> Self {
        Self { body, bytes: Vec::new(), deadline: Instant::now() + READ_TIMEOUT }
    }

    /// Reads until the end, or until there are more than `most` bytes: then it returns `false`.
    async fn read_up_to(&mut self, most: usize) -> Result<bool, ApiError> {
        while self.bytes.len() <= most {
            let frame = poll_fn(|context| Pin::new(&mut self.body).poll_frame(context));
            match timeout_at(self.deadline, frame).await {
                // A frame without data has trailers, which are ignored.
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.bytes.extend_from_slice(&data);
                    }
                }
                Ok(None) => return Ok(true),
                Ok(Some(Err(_))) => return Err(ApiError::body_unreadable()),
                Err(_) => return Err(ApiError::body_too_slow(READ_TIMEOUT)),
            }
        }
        Ok(false)
    }
}

/// Parses a body; a long one on a blocking thread.
pub(super) async fn parse<T: Send + 'static>(
    bytes: Vec<u8>,
    parser: impl FnOnce(&[u8]) -> T + Send + 'static,
) -> T {
    if bytes.len() < MIN_BLOCKING_PARSE {
        return parser(&bytes);
    }
    match tokio::task::spawn_blocking(move || parser(&bytes)).await {
        Ok(parsed) => parsed,
        Err(error) => resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use futures_util::stream;

    use super::*;

    /// `bytes` bytes, one a second.
    fn slow(bytes: usize) -> BodyReader {
        BodyReader::new(Body::from_stream(stream::unfold(bytes, async |left| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            left.checked_sub(1).map(|left| (Ok::<_, std::io::Error>(vec![b'x']), left))
        })))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_must_be_complete_within_the_time_limit() {
        let mut reader = slow(25);
        assert!(reader.read_up_to(100).await.unwrap());
        assert_eq!(reader.bytes.len(), 25);

        let mut reader = slow(100);
        let refused = reader.read_up_to(100).await.unwrap_err().into_response();
        assert_eq!(refused.status(), 408);
        assert!(reader.bytes.len() <= 30, "{}", reader.bytes.len());
        // The time limit is for all reads together.
        let mut reader = slow(100);
        assert!(!reader.read_up_to(20).await.unwrap());
        assert_eq!(reader.read_up_to(100).await.unwrap_err().into_response().status(), 408);
    }

    #[tokio::test]
    async fn no_more_than_the_limit_is_read() {
        let mut reader = BodyReader::new(Body::from(vec![b'x'; 100]));
        assert!(!reader.read_up_to(99).await.unwrap());
        let mut reader = BodyReader::new(Body::from(vec![b'x'; 100]));
        assert!(reader.read_up_to(100).await.unwrap());
    }
}
