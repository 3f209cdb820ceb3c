//! Searches of the audit trail.
//!
//! A filter that no index serves is evaluated in pieces: each statement scans a bounded number of entries, so that
//! other requests get to the connections in between. The number of pieces is bounded too.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::Row as _;

use super::sources::{self, LogQuery, Slice};
use super::{record, table};
use crate::domain::log::{LogFilter, LogId};
use crate::storage::sqlite::SqliteStore;
use crate::storage::sqlite::columns::Columns;
use crate::storage::sqlite::rows::{AUDIT_LOG, Page};
use crate::storage::{LogOrder, LogPage, LogRecord, Result};

/// How many entries of each source one piece scans, plus those of the same millisecond as the last.
const PIECE: u32 = 5_000;

/// The most pieces of a search.
const MAX_PIECES: u32 = 40;

/// The most deliveries of a user for which a search starts from the user's sessions. Where there are more, they are
/// frequent enough to be found by scanning along the times.
const MAX_OF_USER: u32 = 20_000;

impl SqliteStore {
    /// A slice of a piece. Rows that cannot be read are replaced by those that follow.
    async fn read(&self, log_query: &LogQuery<'_>, slice: &Slice) -> Result<Vec<LogRecord>> {
        let mut read = Page::of(slice.limit);
        while let Some((limit, seen)) = read.wanted() {
            let slice = Slice { skip: slice.skip.saturating_add(seen), limit, ..*slice };
            let mut query = sources::page(log_query, &slice);
            let rows = query.build().fetch_all(&mut *self.lists.acquire().await?).await?;
            read.add(&self.rows, &AUDIT_LOG, &rows, |row| self.rows.one(table(row), row, record))?;
        }
        Ok(read.items)
    }

    /// The entries of a slice of all that match.
    pub(super) async fn search(&self, filter: &LogFilter, slice: Slice) -> Result<LogPage> {
        let user = self.user_to_start_from(filter).await?;
        let mut pieces = Pieces::of(filter, slice.order, slice.after, user.is_some());
        let (wanted, mut records) = (slice.skip.saturating_add(slice.limit) as usize, Vec::new());
        while records.len() < wanted {
            let Some(piece) = pieces.next(self).await? else { break };
            let log_query = LogQuery { filter: &piece, user };
            // In a single piece, skipped entries need not be read.
            let skip = if pieces.is_one() { slice.skip } else { 0 };
            let missing = u32::try_from(wanted - records.len()).unwrap_or(u32::MAX) - skip;
            records.extend(self.read(&log_query, &Slice { skip, limit: missing, ..slice }).await?);
            if pieces.is_one() {
                return Ok(LogPage { records, stopped_at: None });
            }
        }
        let stopped_at = if records.len() < wanted { pieces.stopped_at() } else { None };
        let skipped = (slice.skip as usize).min(records.len());
        Ok(LogPage { records: records.split_off(skipped), stopped_at })
    }

    /// How many entries match, up to `most`.
    pub(super) async fn count(&self, filter: &LogFilter, most: u32) -> Result<u32> {
        let user = self.user_to_start_from(filter).await?;
        let mut pieces = Pieces::of(filter, LogOrder::Newest, None, user.is_some());
        let mut counted = 0;
        while counted < most
            && let Some(piece) = pieces.next(self).await?
        {
            let mut query = sources::count(&LogQuery { filter: &piece, user }, most - counted);
            let row = query.build().fetch_one(&mut *self.lists.acquire().await?).await?;
            counted += row.try_get::<u32, _>(0)?;
        }
        Ok(counted.min(most))
    }

    /// The user whose entries the filter is restricted to, if the search is to start from the user's sessions.
    async fn user_to_start_from<'f>(&self, filter: &'f LogFilter) -> Result<Option<&'f str>> {
        let Some(user) = filter.user() else { return Ok(None) };
        let mut query = sources::count_of_user(user, MAX_OF_USER + 1);
        let row = query.build().fetch_one(&mut *self.lists.acquire().await?).await?;
        let deliveries: u32 = row.try_get(0)?;
        Ok((deliveries <= MAX_OF_USER).then_some(user))
    }
}

/// A search, cut into pieces by time.
struct Pieces {
    /// What has not been scanned yet.
    window: LogFilter,
    order: LogOrder,
    after: Option<LogId>,
    /// Whether an index serves the filter: then there is one piece.
    served: bool,
    left: u32,
    /// Where the last piece ended; `None` before the first, and after the last.
    edge: Option<Timestamp>,
    done: bool,
}

impl Pieces {
    fn of(filter: &LogFilter, order: LogOrder, after: Option<LogId>, served: bool) -> Self {
        Self {
            window: filter.clone(),
            order,
            after,
            served: served || !filter.is_searched(),
            left: MAX_PIECES,
            edge: None,
            done: filter.is_empty(),
        }
    }

    fn is_one(&self) -> bool {
        self.served
    }

    /// The next piece; `None` after the last, and when the most pieces have been scanned.
    async fn next(&mut self, store: &SqliteStore) -> Result<Option<LogFilter>> {
        if self.done || self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut piece = self.window.clone();
        if self.served {
            self.done = true;
            return Ok(Some(piece));
        }
        // The later pieces begin where the window does.
        let mut query = sources::edge(&self.window, self.order, self.after.take(), PIECE);
        let row = query.build().fetch_one(&mut *store.lists.acquire().await?).await?;
        self.edge = Columns(&row).time_option("edge")?;
        match (self.edge, self.order) {
            (None, _) => self.done = true,
            (Some(edge), LogOrder::Newest) => {
                piece.since = Some(edge);
                self.window.before = Some(edge);
            }
            (Some(edge), LogOrder::Oldest) => {
                let next = edge.saturating_add(Duration::from_millis(1));
                let next = next.expect("a std Duration has no calendar units");
                piece.before = Some(next);
                self.window.since = Some(next);
            }
        }
        Ok(Some(piece))
    }

    /// Where the search stopped before its end.
    fn stopped_at(&self) -> Option<Timestamp> {
        self.edge.filter(|_| !self.done)
    }
}

#[cfg(test)]
mod tests {
    use sqlx::QueryBuilder;

    use super::*;
    use crate::domain::log::{LogField, LogSearch, LogTerm, LogType, Pattern};
    use crate::storage::sqlite::test_support::{plan, store};

    async fn plan_of(store: &SqliteStore, query: &QueryBuilder<sqlx::Sqlite>) -> Vec<String> {
        plan(store, query.sql().as_str()).await
    }

    fn text(field: LogField) -> LogSearch {
        LogTerm::Text(field, Pattern::exactly("x")).into()
    }

    const ORDERS: [(LogOrder, Option<LogId>); 3] =
        [(LogOrder::Newest, None), (LogOrder::Oldest, None), (LogOrder::Oldest, Some(LogId::FIRST))];

    #[tokio::test]
    async fn a_page_goes_along_the_index_from_where_it_begins() {
        const ALONG: &str = "SEARCH deliveries USING INDEX deliveries_settled (state=? AND settled_at";
        let (_folder, store) = store().await;
        let before = LogSearch::from(LogTerm::Date(None, Some(Timestamp::UNIX_EPOCH)));
        let restricted = LogFilter::from(LogSearch::All(vec![text(LogField::ClientId), before]));
        let failed = LogFilter::from(LogSearch::from(LogTerm::Type([LogType::LogoutFailed].into())));
        for (filter, parts) in [(LogFilter::default(), 3), (restricted, 3), (failed, 2)] {
            for (order, after) in ORDERS {
                let log_query = LogQuery { filter: &filter, user: None };
                let slice = Slice { order, after, skip: 0, limit: 50 };
                let steps = plan_of(&store, &sources::page(&log_query, &slice)).await;
                let of_deliveries: Vec<_> = steps
                    .iter()
                    .filter(|step| step.contains(" deliveries") && !step.contains("(id=?)"))
                    .collect();
                assert_eq!(of_deliveries.len(), parts, "{steps:#?}");
                assert!(of_deliveries.iter().all(|step| step.starts_with(ALONG)), "{steps:#?}");
                // Those of one millisecond are sorted among themselves; parts of a page are merged.
                let sorted = steps.iter().filter(|step| step.ends_with("FOR LAST TERM OF ORDER BY")).count();
                assert_eq!(sorted, parts, "{steps:#?}");
                let of_written = steps.iter().filter(|step| step.contains(" audit_log"));
                let along = ["USING PRIMARY KEY", "SCAN audit_log", "audit_log_by_type (type=?"];
                assert!(
                    of_written.clone().all(|step| along.iter().any(|it| step.contains(it))),
                    "{:#?}",
                    of_written.collect::<Vec<_>>()
                );
            }
        }
    }

    #[tokio::test]
    async fn the_end_of_a_piece_is_found_in_indexes_alone() {
        let (_folder, store) = store().await;
        for (order, _) in ORDERS {
            let steps = plan_of(&store, &sources::edge(&LogFilter::default(), order, None, PIECE)).await;
            let covered =
                "SEARCH deliveries USING COVERING INDEX deliveries_settled (state=? AND settled_at>?)";
            assert_eq!(steps.iter().filter(|step| *step == covered).count(), 3, "{steps:#?}");
            assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE FOR ORDER BY")), "{steps:#?}");
        }
    }

    #[tokio::test]
    async fn the_entries_of_a_user_are_found_from_the_sessions_on() {
        let (_folder, store) = store().await;
        let filter = LogFilter::from(LogSearch::All(vec![text(LogField::UserId), text(LogField::ClientId)]));
        let log_query = LogQuery { filter: &filter, user: filter.user() };
        let slice = Slice { order: LogOrder::Newest, after: None, skip: 0, limit: 50 };
        for query in [sources::page(&log_query, &slice), sources::count(&log_query, 1_000)] {
            let steps = plan_of(&store, &query).await;
            // Only rows of the user are scanned.
            let tables = ["s", "a", "audit_log USING", "deliveries USING", "sessions"];
            let scans =
                |step: &String| tables.iter().any(|table| step.starts_with(&format!("SCAN {table} ")));
            assert!(!steps.iter().any(scans), "{steps:#?}");
            assert!(steps.iter().any(|step| step.contains("sessions_by_sub (sub=?")), "{steps:#?}");
            assert!(
                steps.iter().any(|step| step.contains("deliveries_of_session (session_key=?")),
                "{steps:#?}"
            );
            assert!(!steps.iter().any(|step| step.contains("deliveries_settled (")), "{steps:#?}");
        }
    }
}
