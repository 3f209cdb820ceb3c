//! Test deliveries: one logout token for a session that does not exist, outside the queue.
//!
//! The attempt is an ordinary one. Nothing of it is stored, and neither the client's circuit breaker nor its
//! subscription changes by it. It takes no slot of the scheduler: how many run at a time has its own limits.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::ambient::Ambient;
use crate::delivery::attempt::{Attempted, Attempter, LeaseLost, NotSent, Target};
use crate::domain::algorithm::SigningAlg;
use crate::domain::client::{Client, LogoutUri};
use crate::domain::delivery::{Attempt, Intent, State};
use crate::domain::ids::{ClientId, DeliveryId};
use crate::domain::initiator::Initiator;
use crate::domain::metadata::{MetadataChoice, SessionMetadata};
use crate::domain::time::after;

/// A failure is classified as if a delivery had this long left.
const TIME_LEFT: Duration = Duration::from_hours(24);

/// The value of each entry of the session's metadata.
const SAMPLE: &str = "test";

/// How many tests of one client may run at a time.
const MAX_PER_CLIENT: usize = 2;

/// How many tests of all clients may run at a time.
const MAX_IN_ALL: usize = 16;

/// Makes test deliveries. Clones share the limits.
#[derive(Clone)]
pub struct Prober {
    attempter: Arc<Attempter>,
    running: Arc<Running>,
    ambient: Ambient,
}

/// A finished test.
#[derive(Clone, Debug)]
pub struct Probed {
    /// Where the token was sent.
    pub uri: LogoutUri,
    /// The state that a delivery would have now: pending if it would be retried.
    pub state: State,
    /// The attempt.
    pub attempt: Attempt,
    /// The token's header.
    pub header: Value,
    /// The token's claims.
    pub claims: Value,
}

/// Why no token was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The client has no logout URI.
    #[error("the client has no backchannel_logout_uri")]
    Unsubscribed,
    /// There is no current key of the client's algorithm.
    #[error("there is no {0} key")]
    NoKey(SigningAlg),
    /// The key did not sign.
    #[error("signing failed")]
    Failed,
    /// As many tests of this client are running as may be.
    #[error("{MAX_PER_CLIENT} tests of this client are under way")]
    ClientBusy,
    /// As many tests are running as may be.
    #[error("{MAX_IN_ALL} tests of clients are under way")]
    Busy,
}

impl Prober {
    pub(super) fn new(attempter: Arc<Attempter>, ambient: Ambient) -> Self {
        Self { attempter, running: Arc::default(), ambient }
    }

    /// Sends the client a token for a session that does not exist.
    ///
    /// # Errors
    /// If too many tests are running, or if there is no token to send.
    pub async fn probe(&self, client: Arc<Client>) -> Result<Probed, ProbeError> {
        let uri = client.backchannel_logout_uri.clone().ok_or(ProbeError::Unsubscribed)?;
        let _permit = Running::start(&self.running, &client.client_id)?;
        let intent = self.made_up_intent(&client);
        let target =
            Target { intent: &intent, client: &client, attempts: 0, failures: 0, outcome_unknown: false };
        let attempted = self.attempter.attempt(target, |_| true).await;
        let Attempted { attempt, verdict, token, .. } = attempted.map_err(|LeaseLost| ProbeError::Failed)?;
        let token = token?;
        Ok(Probed {
            uri,
            state: verdict.state(),
            attempt,
            header: json(&token.header),
            claims: json(&token.claims),
        })
    }

    fn made_up_intent(&self, client: &Client) -> Intent {
        let now = self.ambient.now();
        let made_up = format!("test-{}", self.ambient.entropy.uuid_v4().simple());
        Intent {
            id: DeliveryId(self.ambient.entropy.uuid_v7(now)),
            session_key: None,
            sid: made_up.parse().ok(),
            sub: made_up.parse().ok(),
            // No user has it, so that a pairwise client may see it.
            sub_is_public: false,
            client_id: client.client_id.clone(),
            initiator: Initiator::RpLogout,
            session_metadata: sample(&client.session_metadata),
            created_at: now,
            expires_at: after(now, TIME_LEFT),
        }
    }
}

impl From<NotSent> for ProbeError {
    fn from(reason: NotSent) -> Self {
        match reason {
            NotSent::Unsubscribed => Self::Unsubscribed,
            NotSent::NoSigningKey(alg) => Self::NoKey(alg),
            // A made-up session has every identifier.
            NotSent::SigningFailed | NotSent::NoIdentifier => Self::Failed,
        }
    }
}

fn json(part: &impl Serialize) -> Value {
    serde_json::to_value(part).expect("it was serialized to be signed")
}

/// How many tests of each client are running.
#[derive(Default)]
struct Running(Mutex<HashMap<ClientId, usize>>);

/// One of them, until it is dropped.
struct Permit {
    running: Arc<Running>,
    client_id: ClientId,
}

impl Running {
    fn start(running: &Arc<Self>, client_id: &ClientId) -> Result<Permit, ProbeError> {
        let mut counts = running.counts();
        if counts.get(client_id).is_some_and(|count| *count >= MAX_PER_CLIENT) {
            return Err(ProbeError::ClientBusy);
        }
        if counts.values().sum::<usize>() >= MAX_IN_ALL {
            return Err(ProbeError::Busy);
        }
        *counts.entry(client_id.clone()).or_default() += 1;
        Ok(Permit { running: Arc::clone(running), client_id: client_id.clone() })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<ClientId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.running.counts();
        let left = counts.get(&self.client_id).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            counts.remove(&self.client_id);
        } else {
            counts.insert(self.client_id.clone(), left);
        }
    }
}

/// Metadata with the keys that the client has chosen to see.
fn sample(choice: &MetadataChoice) -> SessionMetadata {
    let keys = match choice {
        MetadataChoice::None => Vec::new(),
        MetadataChoice::All => vec![SAMPLE.to_owned()],
        MetadataChoice::Keys(keys) => keys.iter().cloned().collect(),
    };
    let entries: BTreeMap<_, _> = keys.into_iter().map(|key| (key, SAMPLE.to_owned())).collect();
    SessionMetadata::try_from(entries).unwrap_or_default()
}
