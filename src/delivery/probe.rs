//! A trial: one logout token for a session that does not exist, outside the queue.
//!
//! It is made as any attempt is, and nothing of it is stored: neither the client's breaker nor its
//! subscription changes by it. It takes no slot of a delivery: how many are made at a time has limits of its own.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::clock::Clock;
use crate::delivery::attempt::Attempter;
use crate::domain::algorithm::SigningAlg;
use crate::domain::client::{Client, LogoutUri};
use crate::domain::delivery::{Attempt, Intent, State};
use crate::domain::ids::{ClientId, DeliveryId};
use crate::domain::initiator::Initiator;
use crate::domain::metadata::{MetadataChoice, SessionMetadata};
use crate::entropy::Entropy;
use crate::storage::{Lease, LeasedDelivery};
use crate::token;

/// A failure is judged as if a delivery had this long left.
const TIME_LEFT: Duration = Duration::from_hours(24);

/// The value of each entry of the made-up session's metadata.
const SAMPLE: &str = "test";

/// How many trials of one client are under way at a time.
const MAX_PER_CLIENT: usize = 2;

/// How many are under way at a time, of all clients.
const MAX_IN_ALL: usize = 16;

/// Makes trials. Clones share the limits.
#[derive(Clone)]
pub struct Prober {
    attempter: Arc<Attempter>,
    under_way: Arc<UnderWay>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// What came of a trial.
#[derive(Clone, Debug)]
pub struct Probed {
    /// Where the token went.
    pub uri: LogoutUri,
    /// What a delivery would be now: pending if it would be tried again.
    pub state: State,
    /// The attempt.
    pub attempt: Attempt,
    /// The token's header.
    pub header: Value,
    /// The token's claims.
    pub claims: Value,
}

/// Why there was no trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The client has no logout URI.
    #[error("the client has no backchannel_logout_uri")]
    Unsubscribed,
    /// Nothing signs its algorithm.
    #[error("there is no {0} key")]
    NoKey(SigningAlg),
    /// The key failed to sign.
    #[error("signing failed")]
    Failed,
    /// As many as may be are under way for this client.
    #[error("{MAX_PER_CLIENT} tests of this client are under way")]
    ClientBusy,
    /// As many as may be are under way.
    #[error("{MAX_IN_ALL} tests of clients are under way")]
    Busy,
}

impl Prober {
    pub(super) fn new(attempter: Arc<Attempter>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { attempter, under_way: Arc::default(), clock, entropy }
    }

    /// Sends the client a token for a session that does not exist.
    pub async fn probe(&self, client: Arc<Client>) -> Result<Probed, ProbeError> {
        let uri = client.backchannel_logout_uri.clone().ok_or(ProbeError::Unsubscribed)?;
        let _place = UnderWay::begin(&self.under_way, &client.client_id)?;
        let leased = self.made_up(client);
        let attempted = self.attempter.attempt(&leased, |_| true).await.ok_or(ProbeError::Failed)?;
        let (attempt, verdict) = (attempted.settlement.attempt, attempted.settlement.verdict);
        let alg = leased.client.id_token_signed_response_alg;
        let (Some(jti), Some(kid)) = (attempt.jti, attempt.kid.as_deref()) else {
            let no_key = attempt.error.as_deref() == Some("no_signing_key");
            return Err(if no_key { ProbeError::NoKey(alg) } else { ProbeError::Failed });
        };
        // They follow from these alone, so they are what was sent.
        let header = token::header(alg, kid, leased.client.token.typ);
        let claims =
            token::claims(self.attempter.issuer(), &leased.client, &leased.intent, attempt.started_at, jti)
                .map_err(|_| ProbeError::Failed)?;
        Ok(Probed {
            uri,
            state: verdict.state(),
            header: serde_json::to_value(&header).map_err(|_| ProbeError::Failed)?,
            claims: serde_json::to_value(&claims).map_err(|_| ProbeError::Failed)?,
            attempt,
        })
    }

    fn made_up(&self, client: Arc<Client>) -> LeasedDelivery {
        let now = self.clock.now();
        let made_up = format!("test-{}", self.entropy.uuid_v4().simple());
        let lease = Lease { token: self.entropy.uuid_v4(), until: now };
        let intent = Intent {
            id: DeliveryId(self.entropy.uuid_v7(now)),
            session_key: None,
            sid: made_up.parse().ok(),
            sub: made_up.parse().ok(),
            // It is nobody's.
            sub_is_public: false,
            client_id: client.client_id.clone(),
            initiator: Initiator::RpLogout,
            session_metadata: sample(&client.session_metadata),
            created_at: now,
            expires_at: now.saturating_add(TIME_LEFT).expect("a std Duration has no calendar units"),
        };
        LeasedDelivery { intent, client, attempts: 0, failures: 0, outcome_unknown: false, lease }
    }
}

/// The trials under way, by client.
#[derive(Default)]
struct UnderWay(Mutex<HashMap<ClientId, usize>>);

/// One of them; it is over when this is dropped.
struct Place {
    under_way: Arc<UnderWay>,
    client_id: ClientId,
}

impl UnderWay {
    fn begin(under_way: &Arc<Self>, client_id: &ClientId) -> Result<Place, ProbeError> {
        let mut counts = under_way.counts();
        if counts.get(client_id).is_some_and(|count| *count >= MAX_PER_CLIENT) {
            return Err(ProbeError::ClientBusy);
        }
        if counts.values().sum::<usize>() >= MAX_IN_ALL {
            return Err(ProbeError::Busy);
        }
        *counts.entry(client_id.clone()).or_default() += 1;
        Ok(Place { under_way: Arc::clone(under_way), client_id: client_id.clone() })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<ClientId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.under_way.counts();
        let left = counts.get(&self.client_id).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            counts.remove(&self.client_id);
        } else {
            counts.insert(self.client_id.clone(), left);
        }
    }
}

/// Metadata such as the client would see.
fn sample(choice: &MetadataChoice) -> SessionMetadata {
    let keys = match choice {
        MetadataChoice::None => Vec::new(),
        MetadataChoice::All => vec![SAMPLE.to_owned()],
        MetadataChoice::Keys(keys) => keys.iter().cloned().collect(),
    };
    let entries: BTreeMap<_, _> = keys.into_iter().map(|key| (key, SAMPLE.to_owned())).collect();
    SessionMetadata::try_from(entries).unwrap_or_default()
}
