//! The data-minimisation guard: what is done about metadata that looks like a secret or like high-risk
//! personal data (`metadata.sensitive`).
//!
//! Every way by which metadata comes in goes through here. What was accepted before is not judged again. No
//! value is in a log line, a metric or an error.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::metadata::SessionMetadata;
use crate::domain::metadata::sensitive::{Finding, Kind, SensitivePolicy, find};
use crate::telemetry::Metrics;

/// How long the same key and kind are not logged again.
const LOG_EVERY: Duration = Duration::from_mins(1);

/// How many keys and kinds are remembered for that. Sources choose the keys, so there must be an end: beyond
/// it nothing is logged until some are forgotten. The metric counts on.
const MAX_REMEMBERED: usize = 1_000;

/// Metadata was refused because of what it looks like.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "session_metadata{at}: {subject} like {kind}; session metadata is not for secrets or high-risk personal data; \
     remove it, or set metadata.sensitive to \"warn\"",
    at = .0.key.as_ref().map_or_else(String::new, |key| format!(".{key}")),
    subject = if .0.key.is_some() { "looks" } else { "one of its keys looks" },
    kind = .0.kind
)]
pub struct SensitiveMetadata(Finding);

/// Judges metadata by the configured policy.
#[derive(Debug)]
pub struct MetadataGuard {
    policy: SensitivePolicy,
    metrics: Arc<Metrics>,
    logged: Mutex<HashMap<(Option<String>, Kind), Timestamp>>,
}

impl MetadataGuard {
    /// A guard with this policy, which counts what it finds.
    pub fn new(policy: SensitivePolicy, metrics: Arc<Metrics>) -> Self {
        Self { policy, metrics, logged: Mutex::default() }
    }

    /// Looks for sensitive entries; finds none where the policy is off. It takes time, so let it not be the
    /// writer's.
    pub(super) fn inspect(&self, metadata: Option<&SessionMetadata>) -> Vec<Finding> {
        match self.policy {
            SensitivePolicy::Off => Vec::new(),
            SensitivePolicy::Warn | SensitivePolicy::Reject => metadata.map(find).unwrap_or_default(),
        }
    }

    /// Refuses metadata in which this was found, if that is the policy.
    pub(super) fn admit(&self, findings: &[Finding]) -> Result<(), SensitiveMetadata> {
        match findings.first() {
            Some(first) if self.policy == SensitivePolicy::Reject => {
                self.count(findings);
                Err(SensitiveMetadata(first.clone()))
            }
            _ => Ok(()),
        }
    }

    /// Metadata in which this was found was accepted from `source`, a CloudEvents source or what stands for one.
    pub(super) fn accepted(&self, findings: &[Finding], source: &str, now: Timestamp) {
        self.count(findings);
        for Finding { key, kind } in findings {
            if self.is_news(key.as_deref(), *kind, now) {
                tracing::warn!(
                    key = key.as_deref().unwrap_or("(one that looks so itself)"),
                    kind = kind.as_str(),
                    source,
                    "session metadata looks like what does not belong there; see metadata.sensitive"
                );
            }
        }
    }

    fn count(&self, findings: &[Finding]) {
        for finding in findings {
            self.metrics.intake.sensitive_metadata(finding.kind.as_str());
        }
    }

    fn is_news(&self, key: Option<&str>, kind: Kind, now: Timestamp) -> bool {
        let recent = |then: Timestamp| {
            let age = now.duration_since(then).abs();
            age < LOG_EVERY.try_into().expect("a minute is a signed duration")
        };
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let this = (key.map(str::to_owned), kind);
        if logged.get(&this).is_some_and(|then| recent(*then)) {
            return false;
        }
        if logged.len() >= MAX_REMEMBERED {
            logged.retain(|_, then| recent(*then));
        }
        let room = logged.len() < MAX_REMEMBERED;
        if room {
            logged.insert(this, now);
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn guard(policy: SensitivePolicy) -> MetadataGuard {
        MetadataGuard::new(policy, Arc::new(Metrics::new()))
    }

    fn metadata(key: &str) -> SessionMetadata {
        BTreeMap::from([(key.to_owned(), "4111 1111 1111 1111".to_owned())]).try_into().unwrap()
    }

    #[test]
    fn the_policy_decides() {
        let card = metadata("card");
        let judged = |policy| {
            let guard = guard(policy);
            guard.admit(&guard.inspect(Some(&card))).map_err(|error| error.to_string())
        };
        assert_eq!(judged(SensitivePolicy::Off), Ok(()));
        assert_eq!(judged(SensitivePolicy::Warn), Ok(()));
        let refused = "session_metadata.card: looks like a payment card number; session metadata is not for secrets \
                       or high-risk personal data; remove it, or set metadata.sensitive to \"warn\"";
        assert_eq!(judged(SensitivePolicy::Reject), Err(refused.to_owned()));
        assert_eq!(guard(SensitivePolicy::Off).inspect(Some(&card)), []);
    }

    #[test]
    fn a_key_that_is_itself_sensitive_is_not_named() {
        let guard = guard(SensitivePolicy::Reject);
        let refused =
            guard.admit(&guard.inspect(Some(&metadata("4111111111111111")))).unwrap_err().to_string();
        assert!(
            refused.starts_with("session_metadata: one of its keys looks like a payment card"),
            "{refused}"
        );
        assert!(!refused.contains("4111"));
    }

    #[test]
    fn every_finding_is_counted_and_each_key_and_kind_is_news_once_a_minute() {
        let guard = guard(SensitivePolicy::Warn);
        let second = |second: i64| Timestamp::from_second(1_000 + second).unwrap();
        let card = |key| (Some(key), Kind::PaymentCard);
        for (time, (key, kind), expected) in [
            (0, card("a"), true),
            (59, card("a"), false),
            (59, card("b"), true),
            (59, (Some("a"), Kind::ApiKey), true),
            (59, (None, Kind::ApiKey), true),
            (60, card("a"), true),
            // A clock that was set back silences nobody for long.
            (-100, card("a"), true),
        ] {
            assert_eq!(guard.is_news(key, kind, second(time)), expected, "{time} {key:?}");
        }
        let findings = guard.inspect(Some(&metadata("card")));
        guard.accepted(&findings, "test", second(0));
        guard.accepted(&findings, "test", second(1));
        let counted = "logoutd_sensitive_metadata_total{kind=\"payment_card\"} 2";
        assert!(guard.metrics.encode().contains(counted), "{}", guard.metrics.encode());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let guard = guard(SensitivePolicy::Warn);
        let start = Timestamp::from_second(1_000).unwrap();
        let news = |n: usize, now| guard.is_news(Some(&format!("k{n}")), Kind::ApiKey, now);
        assert_eq!((0..2 * MAX_REMEMBERED).filter(|n| news(*n, start)).count(), MAX_REMEMBERED);
        assert_eq!(guard.logged.lock().unwrap().len(), MAX_REMEMBERED);
        let later = start.saturating_add(LOG_EVERY).unwrap();
        assert!(news(5 * MAX_REMEMBERED, later));
        assert_eq!(guard.logged.lock().unwrap().len(), 1);
    }
}
