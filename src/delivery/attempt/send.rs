//! Sending: one POST of a signed token, and where it went.

use jiff::Timestamp;

use crate::domain::client::LogoutUri;
use crate::domain::delivery::{Attempt, Phases};
use crate::egress::{Answer, Egress, Posted, SendError};

/// Posts a logout token, and records the request in `attempt`. `now` is what a date in `Retry-After` is measured
/// from.
pub(super) async fn send(
    egress: &Egress,
    uri: &LogoutUri,
    token: &str,
    now: Timestamp,
    attempt: &mut Attempt,
) -> Result<Answer, SendError> {
    let Posted { result, phases, remote_address } = egress.post_logout_token(uri, token, now).await;
    attempt.uri = Some(uri.as_str().to_owned());
    attempt.phases = Phases { sign: attempt.phases.sign, ..phases };
    attempt.remote_address = remote_address.map(|address| address.to_string());
    result
}
