//! The one writer of events: plans and stores the requests that wait, a group at a time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use tokio::sync::{Notify, mpsc};

use super::{AcceptError, Accepted, Request};
use crate::clock::Clock;
use crate::domain::delivery::{DeliverySummary, State};
use crate::domain::event::{Event, EventBody, Target};
use crate::domain::ids::ClientId;
use crate::domain::plan::{Plan, Refusal, Situation, plan};
use crate::domain::receipt::Receipt;
use crate::entropy::Entropy;
use crate::storage::{AcceptedEvent, IntakeStore, IntakeTransaction, StorageError};

/// The most requests that share a transaction. They wait for each other's commit, so not too many.
const MAX_GROUP: usize = 128;

type Answer = Result<Vec<Accepted>, AcceptError>;

/// What the writer works with.
pub struct WriterConfig {
    /// Where events are stored.
    pub store: Arc<dyn IntakeStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub entropy: Arc<dyn Entropy>,
    /// How long new deliveries are attempted.
    pub max_age: Duration,
    /// Notified when deliveries were stored.
    pub wake: Arc<Notify>,
}

/// The one writer of events.
pub struct Writer {
    config: WriterConfig,
    requests: mpsc::Receiver<Request>,
}

impl Writer {
    pub(super) fn new(config: WriterConfig, requests: mpsc::Receiver<Request>) -> Self {
        Self { config, requests }
    }

    /// Stores requests until every handle to the door is dropped and none waits.
    pub async fn run(mut self) {
        let mut group = Vec::with_capacity(MAX_GROUP);
        // Whatever arrived while the last group was being committed makes the next: under load groups
        // grow by themselves, and a lone request never waits for company.
        while self.requests.recv_many(&mut group, MAX_GROUP).await > 0 {
            self.answer(std::mem::take(&mut group)).await;
        }
    }

    async fn answer(&self, group: Vec<Request>) {
        match self.store(&group).await {
            Ok(answers) => {
                let queued = answers.iter().flatten().flatten().any(|it| !it.receipt.deliveries.is_empty());
                if queued {
                    self.config.wake.notify_one();
                }
                for (request, answer) in group.into_iter().zip(answers) {
                    // A source that hung up meanwhile will report the event again and be told then.
                    let _ = request.answer.send(answer);
                }
            }
            Err(error) if group.len() > 1 => {
                tracing::warn!(error = &error as &dyn std::error::Error, "storing events one by one");
                for request in group {
                    Box::pin(self.answer(vec![request])).await;
                }
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "events could not be stored");
                for request in group {
                    let _ = request.answer.send(Err(AcceptError::Unavailable));
                }
            }
        }
    }

    async fn store(&self, group: &[Request]) -> Result<Vec<Answer>, StorageError> {
        let now = self.config.clock.now();
        let mut transaction = self.config.store.begin().await?;
        let mut answers = Vec::with_capacity(group.len());
        for request in group {
            // A single event is refused before anything of it is stored.
            let several = request.events.len() > 1;
            if several {
                transaction.mark().await?;
            }
            let answer = self.store_request(&mut *transaction, &request.events, now).await?;
            if several && answer.is_err() {
                transaction.undo_to_mark().await?;
            }
            answers.push(answer);
        }
        transaction.commit().await?;
        Ok(answers)
    }

    async fn store_request(
        &self,
        transaction: &mut dyn IntakeTransaction,
        events: &[Event],
        now: Timestamp,
    ) -> Result<Answer, StorageError> {
        let mut accepted = Vec::with_capacity(events.len());
        for (index, event) in events.iter().enumerate() {
            let digest = digest_of(&event.body);
            if let Some(earlier) = transaction.accepted(&event.source, &event.id).await? {
                if earlier.digest != digest {
                    return Ok(Err(AcceptError::IdReused { index }));
                }
                accepted.push(Accepted { receipt: earlier.receipt, duplicate: true });
                continue;
            }
            let plan = match self.plan(transaction, event, now).await? {
                Ok(plan) => plan,
                Err(refusal) => return Ok(Err(AcceptError::Refused { index, refusal })),
            };
            let receipt = receipt(event, &plan);
            let event_accepted = AcceptedEvent { digest, receipt };
            transaction.store(event, &event_accepted, &plan, now).await?;
            accepted.push(Accepted { receipt: event_accepted.receipt, duplicate: false });
        }
        Ok(Ok(accepted))
    }

    async fn plan(
        &self,
        transaction: &mut dyn IntakeTransaction,
        event: &Event,
        now: Timestamp,
    ) -> Result<Result<Plan, Refusal>, StorageError> {
        let (sessions, subject_known) = match subject_matter(&event.body) {
            Target::Session { sid, .. } => (transaction.session(&sid).await?.into_iter().collect(), false),
            Target::Subject(sub) => {
                let live = transaction.live_sessions(&sub).await?;
                let known = !live.is_empty() || transaction.knows_subject(&sub).await?;
                (live, known)
            }
        };
        let mut involved = clients_named(&event.body);
        involved.extend(sessions.iter().flat_map(|it| it.session.participants.keys().cloned()));
        let clients = transaction.clients(&involved).await?;

        let max_age = self.config.max_age;
        let situation = Situation { now, max_age, clients: &clients, sessions, subject_known };
        Ok(plan(event, situation, &mut || self.config.entropy.uuid_v7(now)))
    }
}

/// Which session or sessions an event is about.
fn subject_matter(body: &EventBody) -> Target {
    let session = |sid: &crate::domain::ids::Sid| Target::Session { sid: sid.clone(), sub: None };
    match body {
        EventBody::Created(it) => session(&it.sid),
        EventBody::ClientAdded(it) => session(&it.sid),
        EventBody::Updated(it) => session(&it.sid),
        EventBody::Terminated(it) => it.target.clone(),
    }
}

fn clients_named(body: &EventBody) -> BTreeSet<ClientId> {
    match body {
        EventBody::Created(it) => it.clients.keys().cloned().collect(),
        EventBody::ClientAdded(it) => BTreeSet::from([it.client_id.clone()]),
        EventBody::Updated(_) => BTreeSet::new(),
        EventBody::Terminated(it) => it.clients.keys().chain(&it.exclude_clients).cloned().collect(),
    }
}

fn receipt(event: &Event, plan: &Plan) -> Receipt {
    let new = plan.deliveries.iter().map(|intent| DeliverySummary {
        id: intent.id,
        client_id: intent.client_id.clone(),
        state: State::Pending,
    });
    Receipt {
        id: event.id.clone(),
        sessions: plan.sids.clone(),
        deliveries: plan.existing.iter().cloned().chain(new).collect(),
    }
}

/// What an event says, as a digest: the same words give the same one, whatever their order or spacing
/// on the wire.
fn digest_of(body: &EventBody) -> [u8; 32] {
    let text = serde_json::to_vec(body).expect("events have string keys and no failing serializers");
    digest(&SHA256, &text).as_ref().try_into().expect("a SHA-256 digest has 32 bytes")
}
