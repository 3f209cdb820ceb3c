//! Settling: what came of the attempts is written down, a group at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};

use super::waiting::Waiting;
use crate::clock::Clock;
use crate::storage::{DeliveryQueue, Settlement};

/// The most settlements in a transaction.
const MAX_GROUP: usize = 256;

/// How often a failing store is tried again, and how long after, before the leases are left to run out.
const TRIES: u32 = 5;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);

struct Request {
    settlement: Settlement,
    done: oneshot::Sender<()>,
}

/// A handle to the settler.
#[derive(Clone, Debug)]
pub(super) struct Settlements(mpsc::Sender<Request>);

impl Settlements {
    /// Returns when the settlement is durable, or the store failed for so long that the lease is lost.
    pub(super) async fn settle(&self, settlement: Settlement) {
        let (done, settled) = oneshot::channel();
        if self.0.send(Request { settlement, done }).await.is_ok() {
            let _ = settled.await;
        }
    }
}

/// The one writer of settlements.
pub struct Settler {
    queue: Arc<dyn DeliveryQueue>,
    clock: Arc<dyn Clock>,
    waiting: Waiting,
    wake: Arc<Notify>,
    requests: mpsc::Receiver<Request>,
}

impl Settler {
    /// A settler for at most `window` attempts at a time, and the handle to it.
    pub(super) fn new(
        queue: Arc<dyn DeliveryQueue>,
        clock: Arc<dyn Clock>,
        waiting: Waiting,
        wake: Arc<Notify>,
        window: usize,
    ) -> (Settlements, Self) {
        let (sender, requests) = mpsc::channel(window);
        (Settlements(sender), Self { queue, clock, waiting, wake, requests })
    }

    /// Settles until every handle is dropped.
    pub async fn run(mut self) {
        let mut group = Vec::with_capacity(MAX_GROUP);
        while self.requests.recv_many(&mut group, MAX_GROUP).await > 0 {
            let (settlements, done): (Vec<_>, Vec<_>) =
                group.drain(..).map(|request| (request.settlement, request.done)).unzip();
            self.settle(&settlements).await;
            // Each one that waits holds a slot of the dispatcher: free them, then tell it.
            drop(done);
            self.wake.notify_one();
        }
    }

    async fn settle(&self, settlements: &[Settlement]) {
        for attempt in 1..=TRIES {
            match self.queue.settle(settlements, self.clock.now()).await {
                Ok(states) => {
                    for (settlement, state) in settlements.iter().zip(states) {
                        match state {
                            Some(state) if state.is_final() => self.waiting.finished(settlement.id),
                            Some(_) => {}
                            None => {
                                tracing::warn!(delivery = %settlement.id, "lease was lost, outcome not recorded");
                            }
                        }
                    }
                    return;
                }
                Err(error) => tracing::error!(
                    error = &error as &dyn std::error::Error,
                    attempt,
                    settlements = settlements.len(),
                    "outcomes could not be recorded"
                ),
            }
            if attempt < TRIES {
                tokio::time::sleep(TRY_AGAIN_AFTER).await;
            }
        }
    }
}
