//! A source of events: reports them, and asks what became of them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{TOKEN, http};

/// How many events are asked after in one request: with all the metadata they may have, a body of them is
/// within its limit.
const ASK_AT_ONCE: usize = 100;

/// What a report was answered.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub retry_after: Option<String>,
    pub body: Value,
}

/// A source of events. Clones share its connections.
#[derive(Clone)]
pub struct Source(reqwest::Client);

impl Source {
    pub fn new() -> Self {
        Self(http())
    }

    /// Reports an event or a batch, and waits up to `wait` seconds for the outcome. An error if no answer
    /// came: whether it was stored is then unknown.
    pub async fn report(&self, server: &str, event: &Value, wait: u32) -> reqwest::Result<Reply> {
        let media_type = if event.is_array() { "cloudevents-batch+json" } else { "cloudevents+json" };
        let mut request = self
            .0
            .post(format!("{server}/events"))
            .bearer_auth(TOKEN)
            .header("content-type", format!("application/{media_type}"))
            // More than any wait: a service that says nothing at all is a failure.
            .timeout(Duration::from_secs(90))
            .body(event.to_string());
        if wait > 0 {
            request = request.header("prefer", format!("wait={wait}"));
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after").map(|it| it.to_str().unwrap().to_owned());
        Ok(Reply { status, retry_after, body: response.json().await? })
    }

    /// The status at this address.
    pub async fn status(&self, url: &str) -> reqwest::Result<u16> {
        Ok(self.0.get(url).send().await?.status().as_u16())
    }

    /// Asserts that each of these events was accepted before.
    pub async fn assert_known(&self, server: &str, events: &[Value]) {
        for answer in self.answers(server, events, 0).await {
            assert_eq!(answer["duplicate"], true, "acknowledged, and then not known: {answer}");
        }
    }

    /// Asserts that every delivery of these events is `delivered` within `patience`. Those that are not
    /// known are accepted by asking.
    pub async fn assert_delivered(&self, server: &str, events: &[Value], patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut open = events.to_vec();
        loop {
            let wait = deadline.saturating_duration_since(Instant::now()).as_secs().clamp(1, 20);
            let answers = self.answers(server, &open, u32::try_from(wait).unwrap()).await;
            let undelivered: Vec<_> =
                open.into_iter().zip(answers).filter(|(_, answer)| !is_delivered(answer)).collect();
            if undelivered.is_empty() {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{} of {} events are not delivered after {patience:?}, such as {}",
                undelivered.len(),
                events.len(),
                undelivered[0].1
            );
            open = undelivered.into_iter().map(|(event, _)| event).collect();
        }
    }

    async fn answers(&self, server: &str, events: &[Value], wait: u32) -> Vec<Value> {
        let mut answers = Vec::with_capacity(events.len());
        for events in events.chunks(ASK_AT_ONCE) {
            let reply = self.report(server, &json!(events), wait).await.unwrap();
            assert!([200, 202].contains(&reply.status), "{}: {}", reply.status, reply.body);
            answers.extend(reply.body.as_array().unwrap().iter().cloned());
        }
        answers
    }
}

fn is_delivered(answer: &Value) -> bool {
    let deliveries = answer["deliveries"].as_array().unwrap();
    assert!(!deliveries.is_empty(), "{answer}");
    for delivery in deliveries {
        // Final, and not what it should be: no use to wait.
        let state = delivery["state"].as_str().unwrap();
        assert!(["pending", "in_flight", "delivered"].contains(&state), "{answer}");
    }
    deliveries.iter().all(|delivery| delivery["state"] == "delivered")
}
