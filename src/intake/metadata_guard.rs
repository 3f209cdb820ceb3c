//! The data-minimisation guard: rejects, or logs, metadata that looks like a secret or like high-risk personal data
//! (`metadata.sensitive`).
//!
//! It inspects all metadata that comes in, of events and of commands; metadata that is stored already is not inspected
//! again. Log lines, metrics and errors never contain a value.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::metadata::SessionMetadata;
use crate::domain::metadata::sensitive::{Finding, Kind, SensitivePolicy, find};
use crate::telemetry::Metrics;

/// How long a key and kind are not logged again.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// How many keys and kinds are remembered for that. Sources choose the keys, so there must be a limit: above it nothing
/// is logged until some are dropped. The metric counts all.
const MAX_REMEMBERED: usize = 1_000;

/// Metadata was rejected because it looks sensitive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{subject} like {kind}; session metadata is not for secrets or high-risk personal data; remove it, or set \
     metadata.sensitive to \"warn\"",
    subject = if .0.key.is_some() { "looks" } else { "one of its keys looks" },
    kind = .0.kind
)]
pub struct SensitiveMetadata(Finding);

impl SensitiveMetadata {
    /// The key of the entry; `None` if the key itself looks sensitive and must not be named.
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }
}

/// Applies the configured policy to metadata.
#[derive(Debug)]
pub struct MetadataGuard {
    policy: SensitivePolicy,
    metrics: Arc<Metrics>,
    logged: Mutex<HashMap<(Option<String>, Kind), Timestamp>>,
}

impl MetadataGuard {
    /// A guard with this policy.
    pub fn new(policy: SensitivePolicy, metrics: Arc<Metrics>) -> Self {
        Self { policy, metrics, logged: Mutex::default() }
    }

    /// Finds sensitive entries; none if the policy is off. It takes CPU time, so the writer must not call it.
    pub(super) fn inspect(&self, metadata: Option<&SessionMetadata>) -> Vec<Finding> {
        match self.policy {
            SensitivePolicy::Off => Vec::new(),
            SensitivePolicy::Warn | SensitivePolicy::Reject => metadata.map(find).unwrap_or_default(),
        }
    }

    /// Rejects metadata with these findings, if that is the policy.
    pub(super) fn check(&self, findings: &[Finding]) -> Result<(), SensitiveMetadata> {
        match findings.first() {
            Some(first) if self.policy == SensitivePolicy::Reject => Err(SensitiveMetadata(first.clone())),
            _ => Ok(()),
        }
    }

    /// Counts findings in metadata that was rejected.
    pub(super) fn count_rejected(&self, findings: &[Finding]) {
        self.count(findings);
    }

    /// Counts and logs findings in metadata that was accepted. `source` is an event's source, or names the API.
    pub(super) fn log_accepted(&self, findings: &[Finding], source: &str, now: Timestamp) {
        self.count(findings);
        for Finding { key, kind } in findings {
            if self.should_log(key.as_deref(), *kind, now) {
                tracing::warn!(
                    key = key.as_deref().unwrap_or("(sensitive itself)"),
                    kind = kind.as_str(),
                    source,
                    "session metadata looks sensitive; see metadata.sensitive"
                );
            }
        }
    }

    fn count(&self, findings: &[Finding]) {
        for finding in findings {
            self.metrics.intake.sensitive_metadata(finding.kind.as_str());
        }
    }

    fn should_log(&self, key: Option<&str>, kind: Kind, now: Timestamp) -> bool {
        let recent = |then: Timestamp| {
            let age = now.duration_since(then).abs();
            age < LOG_INTERVAL.try_into().expect("a minute is a signed duration")
        };
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let this = (key.map(str::to_owned), kind);
        if logged.get(&this).is_some_and(|then| recent(*then)) {
            return false;
        }
        if logged.len() >= MAX_REMEMBERED {
            logged.retain(|_, then| recent(*then));
        }
        let fits = logged.len() < MAX_REMEMBERED;
        if fits {
            logged.insert(this, now);
        }
        fits
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
            let checked = guard.check(&guard.inspect(Some(&card)));
            checked.map_err(|error| (error.key().map(str::to_owned), error.to_string()))
        };
        assert_eq!(judged(SensitivePolicy::Off), Ok(()));
        assert_eq!(judged(SensitivePolicy::Warn), Ok(()));
        let refused = "looks like a payment card number; session metadata is not for secrets or high-risk personal \
                       data; remove it, or set metadata.sensitive to \"warn\"";
        assert_eq!(judged(SensitivePolicy::Reject), Err((Some("card".to_owned()), refused.to_owned())));
        assert_eq!(guard(SensitivePolicy::Off).inspect(Some(&card)), []);
    }

    #[test]
    fn a_key_that_is_itself_sensitive_is_not_named() {
        let guard = guard(SensitivePolicy::Reject);
        let refused = guard.check(&guard.inspect(Some(&metadata("4111111111111111")))).unwrap_err();
        assert_eq!(refused.key(), None);
        let refused = refused.to_string();
        assert!(refused.starts_with("one of its keys looks like a payment card"), "{refused}");
        assert!(!refused.contains("4111"));
    }

    #[test]
    fn every_finding_is_counted_and_each_key_and_kind_is_logged_once_a_minute() {
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
            // A clock that was set back suppresses no line for long.
            (-100, card("a"), true),
        ] {
            assert_eq!(guard.should_log(key, kind, second(time)), expected, "{time} {key:?}");
        }
        let findings = guard.inspect(Some(&metadata("card")));
        guard.log_accepted(&findings, "test", second(0));
        guard.log_accepted(&findings, "test", second(1));
        let counted = "logoutd_sensitive_metadata_total{kind=\"payment_card\"} 2";
        assert!(guard.metrics.encode().contains(counted), "{}", guard.metrics.encode());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let guard = guard(SensitivePolicy::Warn);
        let start = Timestamp::from_second(1_000).unwrap();
        let news = |n: usize, now| guard.should_log(Some(&format!("k{n}")), Kind::ApiKey, now);
        assert_eq!((0..2 * MAX_REMEMBERED).filter(|n| news(*n, start)).count(), MAX_REMEMBERED);
        assert_eq!(guard.logged.lock().unwrap().len(), MAX_REMEMBERED);
        let later = start.saturating_add(LOG_INTERVAL).unwrap();
        assert!(news(5 * MAX_REMEMBERED, later));
        assert_eq!(guard.logged.lock().unwrap().len(), 1);
    }
}
