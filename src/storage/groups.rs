//! Group commit: what comes while one transaction is being committed shares the next.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Gathers what is sent to a writer into groups.
#[derive(Debug)]
pub struct Groups<T> {
    items: mpsc::Receiver<T>,
    most: usize,
    pause: Duration,
    last: Option<Instant>,
    /// What was gathered of the next group.
    gathered: Vec<T>,
}

impl<T> Groups<T> {
    /// Groups of up to `most`, `pause` or more apart: what comes alone is not kept waiting; under load the
    /// groups grow, and a processor that others need is not spent on many small commits.
    pub fn new(items: mpsc::Receiver<T>, most: usize, pause: Duration) -> Self {
        Self { items, most, pause, last: None, gathered: Vec::new() }
    }

    /// The next group, of one at least; `None` when every sender is gone and nothing is left. Nothing is lost when
    /// this is dropped before it returns.
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
    async fn what_comes_alone_goes_at_once_and_what_comes_soon_after_goes_together() {
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

        // A full group waits for nobody.
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
    async fn what_was_gathered_when_nobody_waited_any_longer_comes_with_the_next_group() {
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
