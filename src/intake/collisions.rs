//! Ids that two reporters use for different events: both are accepted, and whoever operates the service is told,
//! since one of the two may have meant to keep the other's out.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::digest::{self, Comparison};
use super::request::{Answer, Request};
use crate::storage::{AcceptedElsewhere, EventKey};
use crate::telemetry::Metrics;

/// How many pairs of reporters are remembered as logged. Beyond them nothing is logged; the metric counts on.
const MAX_REMEMBERED: usize = 1_000;

/// Tells of ids that two reporters use.
pub(super) struct Collisions {
    metrics: Arc<Metrics>,
    logged: Mutex<HashSet<(String, String)>>,
}

impl Collisions {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, logged: Mutex::default() }
    }

    /// Counts those among the events of a group that was stored, and logs each pair of reporters once.
    /// `elsewhere` has what others had reported under the same source and id.
    pub(super) fn tell(
        &self,
        elsewhere: &HashMap<EventKey, Vec<AcceptedElsewhere>>,
        group: &[Request],
        answers: &[Answer],
    ) {
        // There are none, nearly always.
        if elsewhere.is_empty() {
            return;
        }
        for (request, answer) in group.iter().zip(answers) {
            let (Request::Events { events, keys, .. }, Answer::Events(Ok(accepted))) = (request, answer)
            else {
                continue;
            };
            let each = events.iter().zip(keys).zip(accepted);
            for ((event, key), _) in each.filter(|(_, accepted)| !accepted.duplicate) {
                let other = elsewhere.get(key).into_iter().flatten().find(|earlier| {
                    digest::compare(event, &earlier.accepted.digest) == Comparison::Different
                });
                if let Some(other) = other {
                    let other = other.reporter.as_deref().unwrap_or("somebody before an upgrade");
                    self.found(key.reporter.label(), other, &event.source);
                }
            }
        }
    }

    fn found(&self, reporter: &str, other: &str, source: &str) {
        self.metrics.intake.event_id_collision();
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = (reporter.to_owned(), other.to_owned());
        if logged.len() < MAX_REMEMBERED && logged.insert(pair) {
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
