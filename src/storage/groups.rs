//! Group commit: items that arrive while a transaction is being committed share the next one.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Collects the items sent to a writer into groups.
#[derive(Debug)]
pub struct Groups<T> {
    items: mpsc::Receiver<T>,
    most: usize,
    pause: Duration,
    last: Option<Instant>,
    /// The beginning of the next group.
    gathered: Vec<T>,
}

impl<T> Groups<T> {
    /// Groups of up to `most` items, at least `pause` apart. A single item after a quiet period goes at once; under load
    /// groups grow, instead of many small commits competing with everything else for the processors.
    pub fn new(items: mpsc::Receiver<T>, most: usize, pause: Duration) -> Self {
        Self { items, most, pause, last: None, gathered: Vec::new() }
    }

    /// The next group, of at least one item; `None` when all senders are dropped and nothing is left. Cancel-safe.
    pub async fn next(&mut self) -> Option<Vec<T>> {
        if self.gathered.is_empty() && self.items.recv_many(&mut self.gathered, self.most).await == 0 {
            return None;
        }
        if let Some(last) = self.last
            && self.gathered.len() < self.most
        {
            sleep_until(last + self.pause).await;
            while self.gathered.len() < self.most
                && let Ok(item) = self.items.try_recv()
            {
                self.gathered.push(item);
            }
        }
        self.last = Some(Instant::now());
        Some(std::mem::take(&mut self.gathered))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_single_item_goes_at_once_and_those_soon_after_go_together() {
        let (sender, receiver) = mpsc::channel(100);
        let mut groups = Groups::new(receiver, 3, Duration::from_millis(5));
        let began = Instant::now();
        sender.send(1).await.unwrap();
        assert_eq!(groups.next().await, Some(vec![1]));
        assert_eq!(began.elapsed(), Duration::ZERO);

        sender.send(2).await.unwrap();
        let late = sender.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(2)).await;
            late.send(3).await.unwrap();
        });
        assert_eq!(groups.next().await, Some(vec![2, 3]));
        assert_eq!(began.elapsed(), Duration::from_millis(5));

        // A full group does not wait for the pause.
        for item in 4..=7 {
            sender.send(item).await.unwrap();
        }
        assert_eq!(groups.next().await, Some(vec![4, 5, 6]));
        assert_eq!(began.elapsed(), Duration::from_millis(5));
        drop(sender);
        assert_eq!(groups.next().await, Some(vec![7]));
        assert_eq!(groups.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_wait_loses_no_items() {
        let (sender, receiver) = mpsc::channel(100);
        let mut groups = Groups::new(receiver, 3, Duration::from_millis(5));
        sender.send(1).await.unwrap();
        assert_eq!(groups.next().await, Some(vec![1]));
        sender.send(2).await.unwrap();
        let given_up = tokio::time::timeout(Duration::from_millis(1), groups.next()).await;
        assert!(given_up.is_err());
        sender.send(3).await.unwrap();
        assert_eq!(groups.next().await, Some(vec![2, 3]));
    }
}
