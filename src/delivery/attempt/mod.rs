//! One attempt: sign a fresh token, post it, and work out what follows.

mod classify;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::Semaphore;
use uuid::Uuid;

use self::classify::Outcome;
use crate::causes::Causes;
use crate::clock::Clock;
use crate::domain::client::LogoutUri;
use crate::domain::delivery::{Attempt, Phases, Verdict};
use crate::domain::retry::RetrySchedule;
use crate::egress::{Answer, Egress, Posted, SendError};
use crate::entropy::Entropy;
use crate::keyring::{Keyring, SigningKey};
use crate::storage::{LeasedDelivery, Settlement};
use crate::telemetry::Metrics;
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
    /// What is counted and timed.
    pub metrics: Arc<Metrics>,
}

/// How many threads sign for each core: enough that none is ever idle between two signatures, and few enough
/// that hundreds of attempts at once do not become as many threads.
const SIGNERS_PER_CORE: usize = 4;

/// Makes attempts.
pub struct Attempter {
    config: AttempterConfig,
    /// RSA signatures that are computed at a time.
    signers: Semaphore,
}

/// An attempt that was made.
pub(super) struct Attempted {
    pub(super) settlement: Settlement,
    pub(super) health: Health,
}

/// What an attempt says about its relying party, for the circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It answered, if only to refuse.
    Answers,
    /// It failed recoverably, with an answer that says so or with none.
    Fails { answered: bool },
    /// Nothing was sent: it is not to blame.
    Unknown,
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
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { config, signers: Semaphore::new(cores * SIGNERS_PER_CORE) }
    }

    /// The `iss` of every token.
    pub(super) fn issuer(&self) -> &str {
        &self.config.issuer
    }

    /// Attempts a leased delivery. `None` if its lease was lost before anything was sent: it is another
    /// worker's by now. `is_held` tells.
    pub(super) async fn attempt(
        &self,
        leased: &LeasedDelivery,
        is_held: impl Fn(Timestamp) -> bool,
    ) -> Option<Attempted> {
        let now = self.config.clock.now();
        let jti = self.config.entropy.uuid_v4();
        let mut draft = Draft::new(now);

        let signed = self.sign(leased, now, jti).await;
        draft.attempt.phases.sign = Some(draft.began.elapsed());
        let (uri, token) = match signed {
            Ok((uri, key, token)) => {
                draft.attempt.jti = Some(jti);
                draft.attempt.kid = Some(key.kid().to_string());
                self.config.metrics.signed(key.alg().as_str(), draft.began.elapsed());
                (uri, token)
            }
            Err(unsigned) => return Some(self.unsigned(leased, draft, &unsigned)),
        };
        if !is_held(self.config.clock.now()) {
            tracing::warn!(delivery = %leased.intent.id, "the lease was lost before the attempt began");
            return None;
        }
        draft.attempt.uri = Some(uri.as_str().to_owned());
        let Posted { result, phases, remote_address } =
            self.config.egress.post_logout_token(uri, &token, now).await;
        draft.attempt.phases = Phases { sign: draft.attempt.phases.sign, ..phases };
        draft.attempt.remote_address = remote_address.map(|address| address.to_string());
        Some(match result {
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
            let _turn = self.signers.acquire().await.map_err(|_| Unsigned::Failed)?;
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
                tracing::error!(kid = %key.kid(), error = %Causes(&error), "signing failed");
                Err(Unsigned::Failed)
            }
        }
    }

    fn unsigned(&self, leased: &LeasedDelivery, mut draft: Draft, unsigned: &Unsigned) -> Attempted {
        let (class, verdict) = match unsigned {
            Unsigned::NoKey => ("no_signing_key", None),
            Unsigned::Failed => ("signing_failed", None),
            Unsigned::NoIdentifier => ("no_identifier", Some(Verdict::Rejected)),
            Unsigned::Unsubscribed => ("unsubscribed", Some(Verdict::Discarded)),
        };
        draft.attempt.error = Some(class.to_owned());
        let verdict = verdict.unwrap_or_else(|| self.retry(leased, None));
        self.finish(leased, draft, verdict, Health::Unknown)
    }

    fn answered(&self, leased: &LeasedDelivery, mut draft: Draft, answer: Answer) -> Attempted {
        let outcome = classify::of_status(answer.status, answer.retry_after);
        draft.attempt.status = Some(answer.status);
        draft.attempt.answer = (!answer.body.is_empty()).then_some(answer.body);
        if outcome != Outcome::Delivered {
            draft.attempt.error = Some(format!("status_{}", answer.status));
        }
        let health = match outcome {
            Outcome::Recoverable { .. } => Health::Fails { answered: true },
            Outcome::Delivered | Outcome::Unrecoverable | Outcome::Gone => Health::Answers,
        };
        let verdict = self.verdict(leased, outcome);
        let mut attempted = self.finish(leased, draft, verdict, health);
        attempted.settlement.unsubscribe = outcome == Outcome::Gone;
        attempted
    }

    fn unanswered(&self, leased: &LeasedDelivery, mut draft: Draft, error: &SendError) -> Attempted {
        draft.attempt.error = Some(error.kind.as_str().to_owned());
        draft.attempt.outcome_unknown = error.outcome_unknown;
        let outcome = classify::of_error(&error.kind);
        let health = match outcome {
            Outcome::Recoverable { .. } => Health::Fails { answered: false },
            Outcome::Delivered | Outcome::Unrecoverable | Outcome::Gone => Health::Unknown,
        };
        let verdict = self.verdict(leased, outcome);
        self.finish(leased, draft, verdict, health)
    }

    fn verdict(&self, leased: &LeasedDelivery, outcome: Outcome) -> Verdict {
        match outcome {
            Outcome::Delivered => Verdict::Delivered,
            Outcome::Unrecoverable | Outcome::Gone => Verdict::Rejected,
            Outcome::Recoverable { hint } => self.retry(leased, hint),
        }
    }

    fn retry(&self, leased: &LeasedDelivery, hint: Option<Duration>) -> Verdict {
        let failures = leased.failures + 1;
        let jitter = self.config.entropy.fraction();
        let now = self.config.clock.now();
        self.config
            .schedule
            .next_attempt(failures, now, leased.intent.expires_at, hint, jitter)
            .map_or(Verdict::Exhausted, Verdict::Retry)
    }

    fn finish(
        &self,
        leased: &LeasedDelivery,
        mut draft: Draft,
        verdict: Verdict,
        health: Health,
    ) -> Attempted {
        draft.attempt.duration = draft.began.elapsed();
        let attempt = draft.attempt;
        log(leased, &attempt, verdict);
        self.measure(leased, &attempt, verdict);
        let settlement = Settlement {
            id: leased.intent.id,
            lease_token: leased.lease.token,
            client_id: leased.client.client_id.clone(),
            attempt,
            verdict,
            unsubscribe: false,
        };
        Attempted { settlement, health }
    }

    fn measure(&self, leased: &LeasedDelivery, attempt: &Attempt, verdict: Verdict) {
        let metrics = &self.config.metrics;
        metrics.attempt(leased.client.client_id.as_str(), attempt.error.as_deref().unwrap_or("delivered"));
        let Phases { sign: _, dns, connect, answer, body } = attempt.phases;
        for (phase, took) in [("dns", dns), ("connect", connect), ("answer", answer), ("body", body)] {
            if let Some(took) = took {
                metrics.phase(phase, took);
            }
        }
        if attempt.status.is_some() {
            metrics.connection(connect.is_none());
        }
        if verdict == Verdict::Delivered {
            let lag = self.config.clock.now().duration_since(leased.intent.created_at);
            metrics.delivered_after(lag.try_into().unwrap_or_default());
        }
    }
}

impl Draft {
    fn new(started_at: Timestamp) -> Self {
        let attempt = Attempt {
            started_at,
            duration: Duration::ZERO,
            phases: Phases::default(),
            jti: None,
            kid: None,
            uri: None,
            remote_address: None,
            status: None,
            error: None,
            answer: None,
            outcome_unknown: false,
        };
        Self { attempt, began: Instant::now() }
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
