//! The text of `GET /metrics`, made once for concurrent scrapes.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// The last text of the metrics, and when it was begun. Requests that come while a text is being made share the next one.
#[derive(Clone, Default)]
pub struct MetricsText(Arc<Mutex<Option<(Instant, String)>>>);

impl MetricsText {
    /// A text that `make` began to make no earlier than now.
    pub(crate) async fn get(&self, make: impl AsyncFnOnce() -> String) -> String {
        let asked_at = Instant::now();
        let mut last = self.0.lock().await;
        if let Some((begun, text)) = &*last
            && *begun > asked_at
        {
            return text.clone();
        }
        let begun = Instant::now();
        let text = make().await;
        *last = Some((begun, text.clone()));
        text
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_while_a_text_is_made_share_the_next() {
        let (texts, made) = (MetricsText::default(), Arc::new(AtomicUsize::new(0)));
        let ask = || {
            let (texts, made) = (texts.clone(), Arc::clone(&made));
            async move {
                let make = async || {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    made.fetch_add(1, Ordering::Relaxed).to_string()
                };
                texts.get(make).await
            }
        };
        let first = tokio::spawn(ask());
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut others = tokio::task::JoinSet::new();
        for _ in 0..100 {
            others.spawn(ask());
        }
        assert_eq!(first.await.unwrap(), "0");
        assert!(others.join_all().await.iter().all(|text| text == "1"));
        assert_eq!(ask().await, "2", "none is older than its request");
    }
}
