//! Notifications from other processes that have the same store open: their new deliveries are attempted here too,
//! without waiting for the next poll.

use crate::causes::Causes;
use crate::clock::Clock;
use crate::delivery::scheduler::Scheduler;
use crate::storage::{DeliveryQueue, DueTimes, QueueNotification, Result};

/// Passes notifications on to the scheduler, for as long as it is polled.
pub(super) async fn run(queue: &dyn DeliveryQueue, scheduler: &Scheduler, clock: &dyn Clock) {
    let mut listener = queue.listen();
    loop {
        match listener.next().await {
            QueueNotification::Due(client_id) => {
                scheduler.note_due(&client_id, DueTimes::either(clock.now()));
                scheduler.wake();
            }
            QueueNotification::Missed => {
                if let Err(error) = note_queues(queue, scheduler).await {
                    // Polling finds what is due.
                    tracing::warn!(error = %Causes(&error), "the queue could not be read after missed notifications");
                }
            }
        }
    }
}

/// Notes when the deliveries of each client are due.
pub(super) async fn note_queues(queue: &dyn DeliveryQueue, scheduler: &Scheduler) -> Result<()> {
    for queue in queue.queues().await? {
        scheduler.note_due(&queue.client_id, queue.due);
    }
    scheduler.wake();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use async_trait::async_trait;
    use jiff::Timestamp;
    use tokio::sync::{Mutex, mpsc};
    use uuid::Uuid;

    use super::*;
    use crate::delivery::scheduler::Limits;
    use crate::domain::breaker::{BreakerRules, OpenBreaker};
    use crate::domain::delivery::State;
    use crate::domain::ids::{ClientId, DeliveryId};
    use crate::storage::{ClientQueue, Lease, LeasedTurn, QueueListener, Settled, Settlement, Turn};

    const PAUSE: Duration = Duration::from_mins(1);

    const LIMITS: Limits = Limits {
        total: 1,
        per_client: 1,
        buffer: 1,
        breaker: BreakerRules { failures: 1, pause: PAUSE, max_pause: PAUSE },
    };

    struct FixedClock;

    impl Clock for FixedClock {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }
    }

    struct Channel(mpsc::Receiver<QueueNotification>);

    #[async_trait]
    impl QueueListener for Channel {
        async fn next(&mut self) -> QueueNotification {
            match self.0.recv().await {
                Some(notification) => notification,
                None => std::future::pending().await,
            }
        }
    }

    /// Has one queue, and the notifications of a channel.
    struct Queue(Mutex<Option<mpsc::Receiver<QueueNotification>>>);

    #[async_trait]
    impl DeliveryQueue for Queue {
        fn listen(&self) -> Box<dyn QueueListener> {
            Box::new(Channel(self.0.try_lock().unwrap().take().unwrap()))
        }

        async fn queues(&self) -> Result<Vec<ClientQueue>> {
            let client_id = "stored".parse().unwrap();
            let due = DueTimes::either(Timestamp::UNIX_EPOCH);
            Ok(vec![ClientQueue { client_id, due, breaker: None }])
        }

        async fn recover(&self, _: Timestamp) -> Result<u64> {
            unreachable!("not called")
        }

        async fn reclaim(&self, _: Timestamp) -> Result<u64> {
            unreachable!("not called")
        }

        async fn lease(&self, _: &[Turn], _: Lease, _: Timestamp) -> Result<Vec<LeasedTurn>> {
            unreachable!("not called")
        }

        async fn extend(&self, _: &[(DeliveryId, Uuid)], _: Timestamp) -> Result<Vec<DeliveryId>> {
            unreachable!("not called")
        }

        async fn settle(
            &self,
            _: &[Settlement],
            _: &BTreeMap<ClientId, Option<OpenBreaker>>,
            _: Timestamp,
        ) -> Result<Vec<Option<Settled>>> {
            unreachable!("not called")
        }

        async fn release(&self, _: &[(DeliveryId, Uuid)], _: Timestamp) -> Result<()> {
            unreachable!("not called")
        }

        async fn expire(&self, _: Timestamp, _: u32) -> Result<Vec<(DeliveryId, ClientId, State)>> {
            unreachable!("not called")
        }

        async fn discard_left(&self, _: Timestamp) -> Result<()> {
            unreachable!("not called")
        }

        async fn bring_forward(&self, _: Duration, _: Timestamp) -> Result<()> {
            unreachable!("not called")
        }
    }

    /// The clients that the scheduler would lease for after a notification.
    async fn clients_after(notification: QueueNotification) -> Vec<String> {
        let (sender, receiver) = mpsc::channel(1);
        let queue = Queue(Mutex::new(Some(receiver)));
        let scheduler: Arc<Scheduler> = Scheduler::new(LIMITS);
        sender.send(notification).await.unwrap();
        tokio::select! {
            () = run(&queue, &scheduler, &FixedClock) => {}
            () = scheduler.woken() => {}
        }
        let requests = scheduler.plan(Timestamp::UNIX_EPOCH).requests;
        requests.iter().map(|request| request.turn().client_id.to_string()).collect()
    }

    #[tokio::test]
    async fn the_scheduler_is_woken_for_deliveries_of_other_processes() {
        let due = QueueNotification::Due("notified".parse().unwrap());
        assert_eq!(clients_after(due).await, ["notified"]);
        assert_eq!(clients_after(QueueNotification::Missed).await, ["stored"]);
    }
}
