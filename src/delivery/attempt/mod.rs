//! One attempt of a delivery, in four steps: [`mint`] the token's claims, [`sign`] them, [`send`] the token, and
//! [`classify`] the result.
//!
//! Every attempt mints and signs anew, so that `iat`, `exp` and `jti` are fresh and the key is the current one. The
//! steps know nothing of the queue; what is recorded of the attempt, and when the next one is due, is decided here.

mod classify;
mod mint;
mod send;
mod sign;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use jsonwebtoken::Header;
use uuid::Uuid;

pub(super) use self::classify::Health;
use self::classify::{AttemptOutcome, Classification};
use self::sign::{SignedToken, Signer, SigningFailure};
use crate::ambient::Ambient;
use crate::domain::algorithm::SigningAlg;
use crate::domain::client::{Client, LogoutUri};
use crate::domain::delivery::{Attempt, Intent, Phases, Verdict};
use crate::domain::retry::RetrySchedule;
use crate::egress::Egress;
use crate::keyring::Keyring;
use crate::storage::LeasedDelivery;
use crate::token::{Claims, NoIdentifier};

/// What attempts are made with.
pub struct AttempterConfig {
    /// The `iss` of every token.
    pub issuer: String,
    /// The signing keys.
    pub keyring: Keyring,
    /// The HTTP client.
    pub egress: Egress,
    /// When failed attempts are repeated.
    pub schedule: RetrySchedule,
    /// Time, randomness and metrics.
    pub ambient: Ambient,
}

/// Makes attempts.
pub struct Attempter {
    issuer: String,
    signer: Signer,
    egress: Egress,
    schedule: RetrySchedule,
    ambient: Ambient,
}

/// What an attempt is for.
#[derive(Clone, Copy)]
pub(super) struct Target<'d> {
    pub(super) intent: &'d Intent,
    /// The client, as it is registered now.
    pub(super) client: &'d Client,
    /// How many attempts were made before.
    pub(super) attempts: u32,
    /// How many of these count for the retry schedule.
    pub(super) failures: u32,
    /// Whether one of them may have reached the RP without our learning of its answer.
    pub(super) outcome_unknown: bool,
}

/// A finished attempt.
pub(super) struct Attempted {
    /// The record of it.
    pub(super) attempt: Attempt,
    /// What becomes of the delivery.
    pub(super) verdict: Verdict,
    /// What it says about the RP.
    pub(super) health: Health,
    /// Whether the client's subscription ends by it.
    pub(super) unsubscribe: bool,
    /// What was sent.
    pub(super) token: Result<SentToken, NotSent>,
}

/// The content of a token that was sent.
pub(super) struct SentToken {
    pub(super) header: Header,
    pub(super) claims: Claims,
}

/// Why there was no token to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotSent {
    /// The client has no logout URI any more.
    Unsubscribed,
    /// The client's settings ask for an identifier that the delivery does not have.
    NoIdentifier,
    /// No current key of the client's algorithm. An operator can add one.
    NoSigningKey(SigningAlg),
    /// The key did not sign.
    SigningFailed,
}

/// The lease was lost before anything was sent: another worker has the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LeaseLost;

/// The record of an attempt in progress.
struct Draft {
    attempt: Attempt,
    began: Instant,
}

impl Attempter {
    /// An attempter with no attempt in progress.
    pub fn new(config: AttempterConfig) -> Self {
        let AttempterConfig { issuer, keyring, egress, schedule, ambient } = config;
        Self { issuer, signer: Signer::new(keyring), egress, schedule, ambient }
    }

    /// Makes one attempt. `lease_holds` is asked immediately before the token is sent.
    pub(super) async fn attempt(
        &self,
        target: Target<'_>,
        lease_holds: impl Fn(Timestamp) -> bool,
    ) -> Result<Attempted, LeaseLost> {
        let now = self.ambient.now();
        let jti = self.ambient.entropy.uuid_v4();
        let mut draft = Draft::new(now);
        let signed = self.signed_token(target, now, jti).await;
        let signing_took = draft.began.elapsed();
        draft.attempt.phases.sign = Some(signing_took);
        let (uri, signed) = match signed {
            Ok(signed) => signed,
            Err(reason) => {
                return Ok(self.finish(target, draft, classify::not_sent(reason), Err(reason)));
            }
        };
        let alg = target.client.id_token_signed_response_alg;
        self.ambient.metrics.delivery.signed(alg.as_str(), signing_took);
        draft.attempt.jti = Some(jti);
        draft.attempt.kid = Some(signed.kid);
        if !lease_holds(self.ambient.now()) {
            return Err(LeaseLost);
        }
        let result = send::send(&self.egress, uri, &signed.compact, now, &mut draft.attempt).await;
        let classification = classify::sent(&result);
        match result {
            Ok(answer) => {
                draft.attempt.status = Some(answer.status);
                draft.attempt.answer = (!answer.body.is_empty()).then_some(answer.body);
            }
            Err(error) => draft.attempt.outcome_unknown = error.outcome_unknown,
        }
        let token = SentToken { header: signed.header, claims: signed.claims };
        Ok(self.finish(target, draft, classification, Ok(token)))
    }

    /// Mints and signs a token, and says where it is to be sent.
    async fn signed_token<'d>(
        &self,
        target: Target<'d>,
        now: Timestamp,
        jti: Uuid,
    ) -> Result<(&'d LogoutUri, SignedToken<Claims>), NotSent> {
        let Target { client, intent, .. } = target;
        let uri = client.backchannel_logout_uri.as_ref().ok_or(NotSent::Unsubscribed)?;
        let unsigned = mint::logout_token(&self.issuer, client, intent, now, jti)?;
        Ok((uri, self.signer.sign(unsigned).await?))
    }

    fn finish(
        &self,
        target: Target<'_>,
        mut draft: Draft,
        classification: Classification,
        token: Result<SentToken, NotSent>,
    ) -> Attempted {
        let Classification { outcome, health, error } = classification;
        draft.attempt.error = error.map(|class| class.as_str().into_owned());
        let verdict = match outcome {
            AttemptOutcome::Delivered => Verdict::Delivered,
            AttemptOutcome::Unrecoverable | AttemptOutcome::Gone => Verdict::Rejected,
            AttemptOutcome::Unsubscribed => Verdict::Discarded,
            AttemptOutcome::Recoverable { hint } => self.retry(target, hint),
        };
        draft.attempt.duration = draft.began.elapsed();
        let attempt = draft.attempt;
        log(target, &attempt, verdict);
        self.measure(target, &attempt, verdict);
        let unsubscribe = outcome == AttemptOutcome::Gone;
        Attempted { attempt, verdict, health, unsubscribe, token }
    }

    fn retry(&self, target: Target<'_>, hint: Option<Duration>) -> Verdict {
        let failures = target.failures + 1;
        let jitter = self.ambient.entropy.fraction();
        self.schedule
            .next_attempt(failures, self.ambient.now(), target.intent.expires_at, hint, jitter)
            .map_or(Verdict::Exhausted, Verdict::Retry)
    }

    fn measure(&self, target: Target<'_>, attempt: &Attempt, verdict: Verdict) {
        let result = attempt.error.as_deref().unwrap_or("delivered");
        self.ambient.metrics.delivery.attempt(target.client.client_id.as_str(), result);
        let Phases { sign: _, dns, connect, answer, body } = attempt.phases;
        for (phase, took) in [("dns", dns), ("connect", connect), ("answer", answer), ("body", body)] {
            if let Some(took) = took {
                self.ambient.metrics.delivery.phase(phase, took);
            }
        }
        if attempt.status.is_some() {
            self.ambient.metrics.delivery.connection(connect.is_none());
        }
        if verdict == Verdict::Delivered {
            let lag = self.ambient.now().duration_since(target.intent.created_at);
            self.ambient.metrics.delivery.delivered_after(lag.try_into().unwrap_or_default());
        }
    }
}

impl<'d> From<&'d LeasedDelivery> for Target<'d> {
    fn from(leased: &'d LeasedDelivery) -> Self {
        let LeasedDelivery { intent, client, attempts, failures, outcome_unknown, lease: _ } = leased;
        Self { intent, client, attempts: *attempts, failures: *failures, outcome_unknown: *outcome_unknown }
    }
}

impl From<NoIdentifier> for NotSent {
    fn from(_: NoIdentifier) -> Self {
        Self::NoIdentifier
    }
}

impl From<SigningFailure> for NotSent {
    fn from(failure: SigningFailure) -> Self {
        match failure {
            SigningFailure::NoKey(alg) => Self::NoSigningKey(alg),
            SigningFailure::Failed => Self::SigningFailed,
        }
    }
}

impl Draft {
    fn new(started_at: Timestamp) -> Self {
        Self { attempt: Attempt::begun(started_at), began: Instant::now() }
    }
}

/// One line for each attempt, without anything of the token in it.
fn log(target: Target<'_>, attempt: &Attempt, verdict: Verdict) {
    let delivery = target.intent.id;
    let client_id = target.client.client_id.as_str();
    let initiator = target.intent.initiator.as_str();
    let number = target.attempts + 1;
    let status = attempt.status;
    let error = attempt.error.as_deref();
    let duration_ms = u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX);
    match verdict {
        Verdict::Delivered => tracing::info!(
            %delivery, client_id, initiator, attempt = number, status, duration_ms, "logout token delivered"
        ),
        Verdict::Retry(next) => tracing::warn!(
            %delivery, client_id, initiator, attempt = number, status, error, duration_ms,
            next_attempt = %next, "logout token not delivered, trying again"
        ),
        Verdict::Rejected | Verdict::Exhausted | Verdict::Discarded => tracing::error!(
            %delivery, client_id, initiator, attempt = number, status, error, duration_ms,
            state = verdict.state().as_str(),
            maybe_received_before = target.outcome_unknown, "logout token not delivered, giving up"
        ),
    }
}
