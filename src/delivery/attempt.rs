//! One attempt: sign a fresh token, post it, and work out what follows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use uuid::Uuid;

use super::outcome::{self, Outcome};
use crate::clock::Clock;
use crate::domain::client::LogoutUri;
use crate::domain::delivery::{Attempt, Verdict};
use crate::domain::retry::RetrySchedule;
use crate::egress::{Answer, Egress, SendError};
use crate::entropy::Entropy;
use crate::keyring::{Keyring, SigningKey};
use crate::storage::{LeasedDelivery, Settlement};
use crate::token;

/// What attempts are made with.
pub struct AttempterConfig {
    /// The `iss` of every token.
    pub issuer: String,
    /// The keys.
    pub keyring: Keyring,
    /// The way out.
    pub egress: Egress,
    /// When failures are tried again.
    pub schedule: RetrySchedule,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// `jti`s and jitter.
    pub entropy: Arc<dyn Entropy>,
}

/// Makes attempts.
pub struct Attempter {
    config: AttempterConfig,
}

/// Why there was no token to send.
enum Unsigned {
    /// No current key of the client's algorithm. An operator can add one, so time may help.
    NoKey,
    /// The key failed to sign.
    Failed,
    /// The client's settings ask for an identifier the delivery does not have.
    NoIdentifier,
    /// The client has no `backchannel_logout_uri` any more.
    Unsubscribed,
}

/// An attempt that is under way: what is known of it so far.
struct Draft {
    attempt: Attempt,
    began: Instant,
}

impl Attempter {
    /// Makes attempts with these.
    pub fn new(config: AttempterConfig) -> Self {
        Self { config }
    }

    /// Attempts a leased delivery. `None` if its lease ran out before anything was sent: it is another
    /// worker's by now.
    pub(super) async fn attempt(&self, leased: &LeasedDelivery) -> Option<Settlement> {
        let now = self.config.clock.now();
        let jti = self.config.entropy.uuid_v4();
        let mut draft = Draft::new(now);

        let (uri, token) = match self.sign(leased, now, jti).await {
            Ok((uri, key, token)) => {
                draft.attempt.jti = Some(jti);
                draft.attempt.kid = Some(key.kid().to_string());
                (uri, token)
            }
            Err(unsigned) => return Some(self.unsigned(leased, draft, &unsigned)),
        };
        if self.config.clock.now() >= leased.lease.until {
            tracing::warn!(delivery = %leased.intent.id, "lease ran out before the attempt began");
            return None;
        }
        Some(match self.config.egress.post_logout_token(uri, &token, now).await {
            Ok(answer) => self.answered(leased, draft, answer),
            Err(error) => self.unanswered(leased, draft, &error),
        })
    }

    async fn sign<'d>(
        &self,
        leased: &'d LeasedDelivery,
        now: Timestamp,
        jti: Uuid,
    ) -> Result<(&'d LogoutUri, Arc<SigningKey>, String), Unsigned> {
        let client = &leased.client;
        let uri = client.backchannel_logout_uri.as_ref().ok_or(Unsigned::Unsubscribed)?;
        let alg = client.id_token_signed_response_alg;
        let key = self.config.keyring.signing_key(alg).ok_or(Unsigned::NoKey)?;
        let claims = token::claims(&self.config.issuer, client, &leased.intent, now, jti)
            .map_err(|_| Unsigned::NoIdentifier)?;
        let header = token::header(alg, key.kid().as_str(), client.token.typ);

        let signed = if alg.is_rsa() {
            // Most of a millisecond of arithmetic: not on a worker that others' I/O waits for.
            let claims = serde_json::to_value(&claims).map_err(|_| Unsigned::Failed)?;
            let key = Arc::clone(&key);
            tokio::task::spawn_blocking(move || key.encode(&header, &claims))
                .await
                .map_err(|_| Unsigned::Failed)?
        } else {
            key.encode(&header, &claims)
        };
        match signed {
            Ok(token) => Ok((uri, key, token)),
            Err(error) => {
                tracing::error!(kid = %key.kid(), error = &error as &dyn std::error::Error, "signing failed");
                Err(Unsigned::Failed)
            }
        }
    }

    fn unsigned(&self, leased: &LeasedDelivery, mut draft: Draft, unsigned: &Unsigned) -> Settlement {
        let (class, verdict) = match unsigned {
            Unsigned::NoKey => ("no_signing_key", None),
            Unsigned::Failed => ("signing_failed", None),
            Unsigned::NoIdentifier => ("no_identifier", Some(Verdict::Rejected)),
            Unsigned::Unsubscribed => ("unsubscribed", Some(Verdict::Discarded)),
        };
        draft.attempt.error = Some(class.to_owned());
        let verdict = verdict.unwrap_or_else(|| self.retry(leased, None));
        draft.settle(leased, verdict)
    }

    fn answered(&self, leased: &LeasedDelivery, mut draft: Draft, answer: Answer) -> Settlement {
        let outcome = outcome::of_status(answer.status, answer.retry_after);
        draft.attempt.status = Some(answer.status);
        draft.attempt.remote_address = answer.remote_address.map(|address| address.to_string());
        draft.attempt.answer = (!answer.body.is_empty()).then_some(answer.body);
        if outcome != Outcome::Delivered {
            draft.attempt.error = Some(format!("status_{}", answer.status));
        }
        let verdict = self.verdict(leased, outcome);
        let mut settlement = draft.settle(leased, verdict);
        if outcome == Outcome::Gone {
            settlement.unsubscribe = Some(leased.client.client_id.clone());
        }
        settlement
    }

    fn unanswered(&self, leased: &LeasedDelivery, mut draft: Draft, error: &SendError) -> Settlement {
        draft.attempt.error = Some(error.kind.as_str().to_owned());
        draft.attempt.outcome_unknown = error.outcome_unknown;
        let verdict = self.verdict(leased, outcome::of_error(&error.kind));
        draft.settle(leased, verdict)
    }

    fn verdict(&self, leased: &LeasedDelivery, outcome: Outcome) -> Verdict {
        match outcome {
            Outcome::Delivered => Verdict::Delivered,
            Outcome::Unrecoverable | Outcome::Gone => Verdict::Rejected,
            Outcome::Recoverable { hint } => self.retry(leased, hint),
        }
    }

    fn retry(&self, leased: &LeasedDelivery, hint: Option<Duration>) -> Verdict {
        let failures = leased.attempts + 1;
        let jitter = self.config.entropy.fraction();
        let now = self.config.clock.now();
        self.config
            .schedule
            .next_attempt(failures, now, leased.intent.expires_at, hint, jitter)
            .map_or(Verdict::Exhausted, Verdict::Retry)
    }
}

impl Draft {
    fn new(started_at: Timestamp) -> Self {
        let attempt = Attempt {
            started_at,
            duration: Duration::ZERO,
            jti: None,
            kid: None,
            remote_address: None,
            status: None,
            error: None,
            answer: None,
            outcome_unknown: false,
        };
        Self { attempt, began: Instant::now() }
    }

    fn settle(mut self, leased: &LeasedDelivery, verdict: Verdict) -> Settlement {
        self.attempt.duration = self.began.elapsed();
        log(leased, &self.attempt, verdict);
        Settlement {
            id: leased.intent.id,
            lease_token: leased.lease.token,
            attempt: self.attempt,
            verdict,
            unsubscribe: None,
        }
    }
}

/// One line for each attempt, without anything of the token in it.
fn log(leased: &LeasedDelivery, attempt: &Attempt, verdict: Verdict) {
    let delivery = leased.intent.id;
    let client_id = leased.client.client_id.as_str();
    let initiator = leased.intent.initiator.as_str();
    let number = leased.attempts + 1;
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
            maybe_received_before = leased.outcome_unknown, "logout token not delivered, giving up"
        ),
    }
}
