//! The sources of the audit trail's entries, and the statements that read them.
//!
//! One statement reads the `audit_log` table and the outcomes of deliveries, with a subquery for each type or state.
//! Each of these follows one index from where the page begins, so that a page costs the same among millions of
//! deliveries.

use jiff::Timestamp;
use sqlx::{QueryBuilder, Sqlite};

use super::terms::{self, USER_OF_DELIVERY};
use crate::domain::delivery::State;
use crate::domain::log::{DeliveryOutcome, LogFilter, LogId, LogType};
use crate::storage::LogOrder;
use crate::storage::sqlite::columns::millis;

/// Where entries are read from.
#[derive(Clone, Copy)]
pub(super) enum Source {
    /// The `audit_log` table: entries of this type, or of any.
    Written(Option<LogType>),
    /// Deliveries in this final state.
    Deliveries(State),
}

/// Which of the matching entries.
pub(super) struct Slice {
    pub(super) order: LogOrder,
    pub(super) after: Option<LogId>,
    pub(super) skip: u32,
    pub(super) limit: u32,
}

/// What to search for, and how.
pub(super) struct LogQuery<'a> {
    pub(super) filter: &'a LogFilter,
    /// The user to start from, by the sessions, instead of scanning along the times.
    pub(super) user: Option<&'a str>,
}

/// A user's deliveries: those of the sessions, and those without a session. Both parameters are the user.
const DELIVERIES_OF_USER: [&str; 3] = [
    "SELECT d.* FROM sessions AS s INDEXED BY sessions_by_sub
         CROSS JOIN deliveries AS d INDEXED BY deliveries_of_session ON d.session_key = s.key WHERE s.sub = ",
    " UNION ALL
     SELECT d.* FROM deliveries AS d INDEXED BY deliveries_settled_of_subject
         WHERE d.sid IS NULL AND d.settled_at IS NOT NULL AND d.sub_is_public AND d.sub = ",
    "",
];

/// A query for matching entries.
pub(super) fn page(log_query: &LogQuery<'_>, slice: &Slice) -> QueryBuilder<Sqlite> {
    let order = direction(slice.order);
    let mut query = QueryBuilder::new(format!(
        "SELECT page.at, page.id, page.client_id, page.type, page.event, page.state, page.initiator, page.sid,
             page.attempts, attempts.uri, attempts.status, attempts.error,
             iif(json_valid(clients.document), clients.document ->> '$.client_name', NULL) AS client_name,
             coalesce(page.user_id, (SELECT {USER_OF_DELIVERY} FROM deliveries WHERE deliveries.id = page.id))
                 AS user_id
         FROM ("
    ));
    for (index, source) in Source::of(log_query.filter).into_iter().enumerate() {
        query.push(if index == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
        query.push(source.select()).push(" FROM ");
        source.push_conditions(&mut query, log_query, slice.after);
        // The page cannot contain more than this of one source.
        query.push(format!(" ORDER BY {} {order}, id {order} LIMIT ", source.time()));
        query.push_bind(slice.skip.saturating_add(slice.limit)).push(")");
    }
    query.push(format!(" ORDER BY at {order}, id {order} LIMIT "));
    query.push_bind(slice.limit).push(" OFFSET ").push_bind(slice.skip);
    query.push(format!(
        ") AS page
         LEFT JOIN attempts ON attempts.delivery_id = page.id AND attempts.number = page.attempts
         LEFT JOIN clients ON clients.client_id = page.client_id
         ORDER BY page.at {order}, page.id {order}"
    ));
    query
}

/// A query for the number of matching entries, up to `most` of each source.
pub(super) fn count(log_query: &LogQuery<'_>, most: u32) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("SELECT 0");
    for source in Source::of(log_query.filter) {
        query.push(" + (SELECT COUNT(*) FROM (SELECT 1 FROM ");
        source.push_conditions(&mut query, log_query, None);
        query.push(" LIMIT ").push_bind(most).push("))");
    }
    query
}

/// A query for the end of a piece of `entries`: the time of the entry at that position, matching or not, in the source
/// that reaches it first; NULL if no source has so many. It reads indexes only.
pub(super) fn edge(
    window: &LogFilter,
    order: LogOrder,
    after: Option<LogId>,
    entries: u32,
) -> QueryBuilder<Sqlite> {
    let every = LogFilter { conditions: Vec::new(), ..window.clone() };
    let log_query = LogQuery { filter: &every, user: None };
    let first = match order {
        LogOrder::Newest => "MAX",
        LogOrder::Oldest => "MIN",
    };
    let mut query = QueryBuilder::new(format!("SELECT {first}(at) AS edge FROM ("));
    for (index, source) in Source::of(window).into_iter().enumerate() {
        query.push(if index == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
        query.push(format!("SELECT {} AS at FROM ", source.time()));
        source.push_conditions(&mut query, &log_query, after);
        query.push(format!(" ORDER BY {} {} LIMIT 1 OFFSET ", source.time(), direction(order)));
        query.push_bind(entries.saturating_sub(1)).push(")");
    }
    query.push(")");
    query
}

/// A query for the number of a user's deliveries, up to `most`.
pub(super) fn count_of_user(user: &str, most: u32) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("SELECT COUNT(*) FROM (SELECT 1 FROM (");
    push_deliveries_of(&mut query, user);
    query.push(") LIMIT ").push_bind(most).push(")");
    query
}

fn push_deliveries_of(query: &mut QueryBuilder<Sqlite>, user: &str) {
    let [of_sessions, of_none, end] = DELIVERIES_OF_USER;
    query.push(of_sessions).push_bind(user.to_owned());
    query.push(of_none).push_bind(user.to_owned()).push(end);
}

fn direction(order: LogOrder) -> &'static str {
    match order {
        LogOrder::Newest => "DESC",
        LogOrder::Oldest => "ASC",
    }
}

impl Source {
    /// The sources that can have matching entries; at least one.
    fn of(filter: &LogFilter) -> Vec<Self> {
        let deliveries = DeliveryOutcome::STATES.into_iter().map(Self::Deliveries);
        let deliveries = deliveries.filter(|it| it.log_type().is_some_and(|it| filter.takes(it)));
        let written: Vec<_> = match &filter.types {
            None => vec![Self::Written(None)],
            Some(types) => types.iter().copied().map(Some).map(Self::Written).collect(),
        };
        written.into_iter().chain(deliveries).collect()
    }

    /// The type of its entries, where all have the same.
    pub(super) fn log_type(self) -> Option<LogType> {
        match self {
            Self::Written(log_type) => log_type,
            Self::Deliveries(State::Delivered) => Some(LogType::LogoutSucceeded),
            Self::Deliveries(_) => Some(LogType::LogoutFailed),
        }
    }

    /// The column of an entry's time.
    pub(super) fn time(self) -> &'static str {
        match self {
            Self::Written(_) => "at",
            Self::Deliveries(_) => "settled_at",
        }
    }

    /// Its table.
    pub(super) fn table(self) -> &'static str {
        match self {
            Self::Written(_) => "audit_log",
            Self::Deliveries(_) => "deliveries",
        }
    }

    /// The columns of an entry.
    fn select(self) -> &'static str {
        match self {
            Self::Written(_) => {
                "SELECT at, id, client_id, user_id, type, event, NULL AS state, NULL AS initiator, NULL AS sid,
                     NULL AS attempts"
            }
            Self::Deliveries(_) => {
                "SELECT settled_at AS at, id, client_id, NULL AS user_id, NULL AS type, NULL AS event, state, initiator,
                     sid, attempts"
            }
        }
    }

    /// Appends its rows, or those that can be about the user.
    fn push_rows(self, query: &mut QueryBuilder<Sqlite>, user: Option<&str>) {
        let table = self.table();
        match (self, user) {
            (_, None) => {
                query.push(table);
            }
            (Self::Written(_), Some(user)) => {
                query.push("(SELECT * FROM audit_log INDEXED BY audit_log_by_user WHERE user_id = ");
                query.push_bind(user.to_owned());
                query.push(" UNION ALL SELECT a.* FROM (SELECT id FROM (");
                push_deliveries_of(query, user);
                query.push(
                    ")) AS d CROSS JOIN audit_log AS a INDEXED BY audit_log_by_id ON a.id = d.id
                         WHERE a.user_id IS NULL) AS audit_log",
                );
            }
            (Self::Deliveries(_), Some(user)) => {
                query.push("(");
                push_deliveries_of(query, user);
                query.push(") AS deliveries");
            }
        }
    }

    /// Appends its rows, and the conditions of the filter.
    fn push_conditions(
        self,
        query: &mut QueryBuilder<Sqlite>,
        log_query: &LogQuery<'_>,
        after: Option<LogId>,
    ) {
        self.push_rows(query, log_query.user);
        let time = self.time();
        // Literals instead of parameters, so that the planner can choose a partial index.
        query.push(match self {
            Self::Written(None) => " WHERE TRUE".to_owned(),
            Self::Written(Some(log_type)) => format!(" WHERE type = '{log_type}'"),
            Self::Deliveries(state) => format!(" WHERE state = '{state}' AND settled_at IS NOT NULL"),
        });
        let LogFilter { types: _, since, before, conditions } = log_query.filter;
        let mut bound = |compared: &str, at: &Option<Timestamp>| {
            if let Some(at) = at {
                query.push(format!(" AND {time} {compared} ")).push_bind(millis(*at));
            }
        };
        bound(">=", since);
        bound("<", before);
        if let Some(after) = after {
            query.push(format!(" AND ({time}, id) > ("));
            query.push_bind(millis(after.at())).push(", ").push_bind(after.uuid()).push(")");
        }
        for condition in conditions {
            query.push(" AND ");
            terms::push(query, self, condition);
        }
    }
}
