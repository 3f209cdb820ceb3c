//! Repeated failures, counted instead of recorded one by one: a caller that is refused at full speed would fill the disk.
//! Pure: the time is an argument.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::ids::{ClientId, Sub};
use crate::domain::log::{Actor, Change, Channel};

/// How long the same failure is counted before the count is recorded.
const WINDOW: Duration = Duration::from_mins(1);

/// The most kinds of failures counted apart; further ones are counted without their callers and paths.
const MAX_KINDS: usize = 1000;

/// A change as it is recorded, with the client and the user it is about.
#[derive(Clone)]
pub(super) struct Written {
    pub(super) change: Change,
    pub(super) client_id: Option<ClientId>,
    pub(super) user_id: Option<Sub>,
}

/// The failures of the last minute.
#[derive(Default)]
pub(super) struct Repeats(HashMap<Kind, Window>);

/// Failures of one kind have the same caller, change, path and error.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    actor: Option<Actor>,
    description: String,
    status: Option<u16>,
    error_code: Option<String>,
    path: Option<String>,
}

struct Window {
    began: Instant,
    /// The number of failures after the first, and the last of them.
    further: Option<(u64, Written)>,
}

impl Repeats {
    /// Counts a failed change. It is returned if it is to be recorded now: the first of its kind within a minute.
    pub(super) fn add(&mut self, mut written: Written, now: Instant) -> Option<Written> {
        let mut kind = Kind::of(&written.change);
        if self.0.len() >= MAX_KINDS && !self.0.contains_key(&kind) {
            kind = Kind { actor: None, path: None, ..kind };
        }
        let Some(window) = self.0.get_mut(&kind) else {
            self.0.insert(kind, Window { began: now, further: None });
            return Some(written);
        };
        if kind.actor.is_none() {
            written.change.actor = None;
            written.user_id = None;
        }
        let before = window.further.take().map_or(0, |(count, _)| count);
        window.further = Some((before + 1, written));
        None
    }

    /// The counts that are to be recorded: those whose minute is over, or all.
    pub(super) fn take_due(&mut self, now: Instant, all: bool) -> Vec<Written> {
        let mut due = Vec::new();
        self.0.retain(|_, window| {
            let open = !all && now.saturating_duration_since(window.began) < WINDOW;
            if !open && let Some((count, mut written)) = window.further.take() {
                written.change.count = Some(count);
                due.push(written);
            }
            open
        });
        self.0.shrink_to_fit();
        due
    }
}

impl Kind {
    fn of(change: &Change) -> Self {
        let path = match &change.channel {
            // Without the scope, the path matters little, and a caller can make up any number of them.
            Channel::Api { path, .. } if change.status != Some(403) => Some(path.clone()),
            Channel::Api { .. } | Channel::Cli { .. } => None,
        };
        Self {
            actor: change.actor.clone(),
            description: change.description.clone(),
            status: change.status,
            error_code: change.error_code.clone(),
            path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(actor: &str, status: u16, path: &str) -> Written {
        let mut change = Change::by_command("Update a client", "", Vec::new());
        change.channel = Channel::Api { method: "PATCH".to_owned(), path: path.to_owned() };
        change.actor = Some(Actor { kind: actor.to_owned(), id: None, name: None, client_id: None });
        (change.succeeded, change.status) = (false, Some(status));
        Written { change, client_id: None, user_id: None }
    }

    fn shown(written: Vec<Written>) -> Vec<(String, Option<u64>)> {
        let mut shown: Vec<_> = written
            .into_iter()
            .map(|Written { change, .. }| {
                let Channel::Api { path, .. } = change.channel else { panic!() };
                (format!("{} {}", change.actor.map_or_else(String::new, |it| it.kind), path), change.count)
            })
            .collect();
        shown.sort();
        shown
    }

    #[test]
    fn the_first_is_written_down_and_the_others_are_counted() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(repeats.add(failed("a", 403, "/1"), start).is_some());
        assert!(repeats.add(failed("a", 403, "/2"), at(1)).is_none());
        assert!(repeats.add(failed("a", 403, "/3"), at(2)).is_none());
        // Others, for other reasons, and of other things.
        assert!(repeats.add(failed("b", 403, "/1"), at(30)).is_some());
        assert!(repeats.add(failed("a", 400, "/1"), at(30)).is_some());
        assert!(repeats.add(failed("a", 400, "/2"), at(30)).is_some());
        assert!(repeats.add(failed("a", 400, "/2"), at(30)).is_none());
        assert_eq!(shown(repeats.take_due(at(59), false)), []);
        assert_eq!(shown(repeats.take_due(at(60), false)), [("a /3".to_owned(), Some(2))]);
        // A new minute begins with the next one.
        assert!(repeats.add(failed("a", 403, "/1"), at(61)).is_some());
        assert_eq!(shown(repeats.take_due(at(62), true)), [("a /2".to_owned(), Some(1))]);
        assert!(repeats.0.is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        let mut written = 0;
        for caller in 0..10 * MAX_KINDS {
            written += usize::from(repeats.add(failed(&caller.to_string(), 403, "/1"), now).is_some());
        }
        assert_eq!(written, MAX_KINDS + 1);
        let others = 10 * MAX_KINDS - written;
        assert_eq!(shown(repeats.take_due(now, true)), [(" /1".to_owned(), Some(others as u64))]);
    }
}
