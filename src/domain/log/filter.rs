//! Which entries are asked for.

use std::collections::BTreeSet;
use std::ops::Bound;

use jiff::Timestamp;

use super::search::{LogField, LogSearch, LogTerm};
use super::{LogId, LogType};

/// Which entries: what an index finds, and what has to be looked at entry by entry. What is `None` does not
/// restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Of one of these types; of none, if there are none.
    pub types: Option<BTreeSet<LogType>>,
    /// From this time on.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub before: Option<Timestamp>,
    /// All of these hold too.
    pub conditions: Vec<LogSearch>,
}

impl LogFilter {
    /// The entry with this id.
    pub fn of_id(id: LogId) -> Self {
        LogSearch::Term(LogTerm::Id(Bound::Included(id), Bound::Included(id))).into()
    }

    /// Asks for this, too.
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
                // The millisecond of the last one is in it.
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

    /// Whether entries of this type are asked for.
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

    /// Whether entries have to be looked at one by one. Ids say their times, which an index finds.
    pub fn is_searched(&self) -> bool {
        self.conditions.iter().any(|it| !matches!(it, LogSearch::Term(LogTerm::Id(..))))
    }

    /// The one user whose entries these are, if they are one user's.
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

/// As exact as ids and the store's times are.
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
    fn what_an_index_finds_is_taken_out_of_what_is_joined_by_and() {
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
    fn one_users_entries_are_found_by_the_user() {
        let text = |field, pattern| LogSearch::Term(LogTerm::Text(field, pattern));
        let user = |search: LogSearch| LogFilter::from(search).user().map(str::to_owned);
        let alice = || super::super::Pattern::exactly("alice");
        assert_eq!(user(text(LogField::UserId, alice())), Some("alice".to_owned()));
        assert_eq!(user(text(LogField::ClientId, alice())), None);
        let any_case = super::super::Pattern { case_sensitive: false, ..alice() };
        assert_eq!(user(text(LogField::UserId, any_case)), None, "more users than one may be meant");
        assert_eq!(user(LogSearch::Not(Box::new(text(LogField::UserId, alice())))), None);
    }
}
