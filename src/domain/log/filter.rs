//! Filters for log entries.

use std::collections::BTreeSet;
use std::ops::Bound;

use jiff::Timestamp;

use super::search::{LogField, LogSearch, LogTerm};
use super::{LogId, LogType};

/// A search split into the parts that an index can answer (types and time range) and the remaining conditions, which
/// are evaluated per entry. `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// One of these types; an empty set matches nothing.
    pub types: Option<BTreeSet<LogType>>,
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub before: Option<Timestamp>,
    /// Further conditions, joined by AND.
    pub conditions: Vec<LogSearch>,
}

impl LogFilter {
    /// The entry with this id.
    pub fn of_id(id: LogId) -> Self {
        LogSearch::Term(LogTerm::Id(Bound::Included(id), Bound::Included(id))).into()
    }

    /// Adds a condition with AND.
    pub fn and(&mut self, search: LogSearch) {
        match search {
            LogSearch::All(parts) => parts.into_iter().for_each(|part| self.and(part)),
            LogSearch::Term(LogTerm::Type(types)) => {
                self.types = Some(match self.types.take() {
                    Some(before) => before.intersection(&types).copied().collect(),
                    None => types,
                });
            }
            LogSearch::Term(LogTerm::Date(since, before)) => self.within(since, before),
            LogSearch::Term(LogTerm::Id(from, to)) => {
                let from_time = edge(from).map(LogId::at);
                // `before` is exclusive, and the last id's millisecond belongs to the range.
                let to_time = edge(to).and_then(|id| LogId::at(id).checked_add(MILLISECOND).ok());
                self.within(from_time, to_time);
                self.conditions.push(LogTerm::Id(from, to).into());
            }
            other => self.conditions.push(other),
        }
    }

    fn within(&mut self, since: Option<Timestamp>, before: Option<Timestamp>) {
        self.since = self.since.max(since);
        self.before = match (self.before, before) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    /// Whether entries of this type can match.
    pub fn takes(&self, log_type: LogType) -> bool {
        self.types.as_ref().is_none_or(|types| types.contains(&log_type))
    }

    /// Whether no entry can match.
    pub fn is_empty(&self) -> bool {
        let no_time = self.since.zip(self.before).is_some_and(|(since, before)| since >= before);
        no_time
            || self.types.as_ref().is_some_and(BTreeSet::is_empty)
            || self.conditions.contains(&LogSearch::NOTHING)
    }

    /// Whether conditions have to be evaluated per entry. Ids contain their times, so an index answers them.
    pub fn is_searched(&self) -> bool {
        self.conditions.iter().any(|it| !matches!(it, LogSearch::Term(LogTerm::Id(..))))
    }

    /// The user whose entries are selected, if the filter is limited to exactly one.
    pub fn user(&self) -> Option<&str> {
        self.conditions.iter().find_map(|it| match it {
            LogSearch::Term(LogTerm::Text(LogField::UserId, pattern)) => pattern.exact(),
            _ => None,
        })
    }
}

impl From<LogSearch> for LogFilter {
    fn from(search: LogSearch) -> Self {
        let mut filter = Self::default();
        filter.and(search);
        filter
    }
}

/// The precision of ids and stored times.
const MILLISECOND: std::time::Duration = std::time::Duration::from_millis(1);

fn edge(bound: Bound<LogId>) -> Option<LogId> {
    match bound {
        Bound::Included(id) | Bound::Excluded(id) => Some(id),
        Bound::Unbounded => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexable_conditions_are_extracted_from_a_conjunction() {
        let (a, b): (Timestamp, Timestamp) =
            ("2026-01-01T00:00:00Z".parse().unwrap(), "2026-01-02T00:00:00Z".parse().unwrap());
        let shop =
            || LogSearch::Term(LogTerm::Text(LogField::ClientId, super::super::Pattern::exactly("shop")));
        let types = |types: &[LogType]| LogSearch::Term(LogTerm::Type(types.iter().copied().collect()));
        let filter = LogFilter::from(LogSearch::All(vec![
            types(&[LogType::Sapi, LogType::Fapi]),
            LogSearch::All(vec![types(&[LogType::Fapi]), shop()]),
            LogTerm::Date(Some(a), None).into(),
            LogTerm::Date(None, Some(b)).into(),
            LogSearch::Not(Box::new(types(&[LogType::Sapi]))),
        ]));
        assert_eq!(filter.types, Some(BTreeSet::from([LogType::Fapi])));
        assert_eq!((filter.since, filter.before), (Some(a), Some(b)));
        assert_eq!(filter.conditions, [shop(), LogSearch::Not(Box::new(types(&[LogType::Sapi])))]);
        assert!(filter.is_searched() && !filter.is_empty());
        assert!(filter.takes(LogType::Fapi) && !filter.takes(LogType::Sapi));
        assert!(LogFilter::default().takes(LogType::Sapi));

        let id = LogId::new(a, uuid::Uuid::from_u128(7));
        let filter = LogFilter::of_id(id);
        assert_eq!((filter.since, filter.before), (Some(a), Some(a.checked_add(MILLISECOND).unwrap())));
        assert!(!filter.is_searched());
        assert!(LogFilter::from(LogSearch::from(LogTerm::Date(Some(b), Some(a)))).is_empty());
        assert!(LogFilter::from(LogSearch::NOTHING).is_empty());
    }

    #[test]
    fn an_exact_user_id_limits_the_filter_to_one_user() {
        let text = |field, pattern| LogSearch::Term(LogTerm::Text(field, pattern));
        let user = |search: LogSearch| LogFilter::from(search).user().map(str::to_owned);
        let alice = || super::super::Pattern::exactly("alice");
        assert_eq!(user(text(LogField::UserId, alice())), Some("alice".to_owned()));
        assert_eq!(user(text(LogField::ClientId, alice())), None);
        let any_case = super::super::Pattern { case_sensitive: false, ..alice() };
        assert_eq!(user(text(LogField::UserId, any_case)), None, "it may match several users");
        assert_eq!(user(LogSearch::Not(Box::new(text(LogField::UserId, alice())))), None);
    }
}
