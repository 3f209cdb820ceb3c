//! Notifications from other processes that have the same store open: their new deliveries are attempted here too,
//! without waiting for the next poll.

use crate::causes::Causes;
use crate::clock::Clock;
use crate::delivery::scheduler::Scheduler;
use crate::storage::{DeliveryQueue, QueueNotification, Result};

/// Passes notifications on to the scheduler, for as long as it is polled.
pub(super) async fn run(queue: &dyn DeliveryQueue, scheduler: &Scheduler, clock: &dyn Clock) {
    let mut listener = queue.listen();
    loop {
        match listener.next().await {
            QueueNotification::Due(client_id) => {
                scheduler.note_due(&client_id, clock.now());
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

/// Tells the scheduler when the next delivery of each client is due.
pub(super) async fn note_queues(queue: &dyn DeliveryQueue, scheduler: &Scheduler) -> Result<()> {
    for queue in queue.queues().await? {
        if let Some(due_at) = queue.due_at {
            scheduler.note_due(&queue.client_id, due_at);
        }
    }
    scheduler.wake();
    Ok(())
}
