//! Event ids that two reporters use for different events. Both events are accepted; the log tells operators, since one
//! of the two reporters may have been meant to be the only one.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::digest::{self, Comparison};
use super::request::{Answer, Request};
use super::results::is_new;
use crate::storage::{AcceptedElsewhere, EventKey};
use crate::telemetry::Metrics;

/// How many pairs of reporters are remembered as logged. Later pairs are counted and not logged.
const MAX_LOGGED: usize = 1_000;

/// Counts and logs collisions of event ids.
pub(super) struct IdCollisions {
    metrics: Arc<Metrics>,
    logged: Mutex<HashSet<(String, String)>>,
}

impl IdCollisions {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, logged: Mutex::default() }
    }

    /// Counts the collisions of a group that was stored, and logs each pair of reporters once. `elsewhere` has the
    /// events that others had reported under the same source and id.
    pub(super) fn report(
        &self,
        elsewhere: &HashMap<EventKey, Vec<AcceptedElsewhere>>,
        group: &[Request],
        answers: &[Answer],
    ) {
        // The common case.
        if elsewhere.is_empty() {
            return;
        }
        for (request, answer) in group.iter().zip(answers) {
            let (Request::Events { events, keys, .. }, Answer::Events(results)) = (request, answer) else {
                continue;
            };
            let each = events.iter().zip(keys).zip(results);
            for ((event, key), _) in each.filter(|(_, result)| is_new(result)) {
                let other = elsewhere.get(key).into_iter().flatten().find(|earlier| {
                    digest::compare(event, &earlier.accepted.digest) == Comparison::Different
                });
                if let Some(other) = other {
                    let other = other.reporter.as_deref().unwrap_or("unknown (before an upgrade)");
                    self.collided(key.reporter.label(), other, &event.source);
                }
            }
        }
    }

    fn collided(&self, reporter: &str, other: &str, source: &str) {
        self.metrics.intake.event_id_collision();
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = (reporter.to_owned(), other.to_owned());
        if logged.len() < MAX_LOGGED && logged.insert(pair) {
            tracing::warn!(
                reporter,
                other,
                source,
                "two reporters use the same source and id for different events; both are accepted. If only one of \
                 them should report for this source, limit the other: logoutd tokens create --source"
            );
        }
    }
}
