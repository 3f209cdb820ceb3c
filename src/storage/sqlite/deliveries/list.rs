//! Lists of deliveries: filters, and pages of bounded cost.

use sqlx::{QueryBuilder, Sqlite};
use uuid::Uuid;

use crate::domain::delivery::{DeliveryFilter, State};
use crate::domain::ids::{DeliveryId, Sid};
use crate::storage::sqlite::columns::millis;

/// How many deliveries one page scans. If too few of them match, the page is short and says where the next one begins:
/// with an index for every filter, storing a delivery would cost more than sending it.
const WINDOW: u32 = 10_000;

/// A list of deliveries, the newest first.
pub(super) struct List<'l> {
    pub(super) filter: &'l DeliveryFilter,
    pub(super) sid: Option<&'l Sid>,
    /// Only deliveries before this one.
    pub(super) before: Option<DeliveryId>,
}

impl List<'_> {
    /// A query for the last delivery that the page scans; `None` for those of a session, which are few.
    pub(super) fn window_end(&self) -> Option<QueryBuilder<Sqlite>> {
        if self.sid.is_some() {
            return None;
        }
        let mut query = QueryBuilder::new("SELECT id FROM deliveries WHERE TRUE");
        self.push_range(&mut query);
        query.push(" ORDER BY id DESC LIMIT 1 OFFSET ").push_bind(WINDOW - 1);
        Some(query)
    }

    /// A query for those that match, down to the end of the window.
    pub(super) fn page(&self, window_end: Option<DeliveryId>, limit: u32, skip: u32) -> QueryBuilder<Sqlite> {
        let mut query = QueryBuilder::new("SELECT * FROM deliveries WHERE TRUE");
        self.push_range(&mut query);
        if let Some(end) = window_end {
            query.push(" AND id >= ").push_bind(end.0);
        }
        push_conditions(&mut query, self.filter, "+");
        query.push(" ORDER BY id DESC LIMIT ").push_bind(limit).push(" OFFSET ").push_bind(skip);
        query
    }

    /// The conditions that choose an index and limit the range of ids. Ids are in order of creation.
    fn push_range(&self, query: &mut QueryBuilder<Sqlite>) {
        let DeliveryFilter { client_id, states, created_after, created_before, .. } = self.filter;
        if let Some(sid) = self.sid {
            // There is an index of deliveries by their session.
            query.push(" AND session_key = (SELECT key FROM sessions WHERE sid = ");
            query.push_bind(sid.as_str().to_owned()).push(")");
        } else if let (Some(client_id), Some(states)) = (client_id, states)
            && states.iter().all(|state| matches!(state, State::Rejected | State::Exhausted))
        {
            query.push(" AND state IN ('rejected', 'exhausted') AND client_id = ");
            query.push_bind(client_id.as_str().to_owned());
        }
        if let Some(before) = self.before {
            query.push(" AND id < ").push_bind(before.0);
        }
        if let Some(time) = created_before {
            query.push(" AND id < ").push_bind(first_id_of(millis(*time)));
        }
        if let Some(time) = created_after {
            query.push(" AND id >= ").push_bind(first_id_of(millis(*time)));
        }
    }
}

/// The lowest id of a delivery created in this millisecond (RFC 9562 §5.7). Times before 1970 are 1970.
fn first_id_of(millis: i64) -> Uuid {
    Uuid::from_u128(u128::from(u64::try_from(millis).unwrap_or(0)) << 80)
}

/// Appends the conditions of a filter to a query over `deliveries`.
pub(in crate::storage::sqlite) fn push_filter(query: &mut QueryBuilder<Sqlite>, filter: &DeliveryFilter) {
    push_conditions(query, filter, "");
}

/// The same, with a prefix for each column: a `+` keeps SQLite from choosing an index by it.
fn push_conditions(query: &mut QueryBuilder<Sqlite>, filter: &DeliveryFilter, sign: &str) {
    let DeliveryFilter { client_id, states, initiator, created_after, created_before } = filter;
    if let Some(client_id) = client_id {
        query.push(format!(" AND {sign}client_id = ")).push_bind(client_id.as_str().to_owned());
    }
    if let Some(states) = states {
        // Literals instead of parameters, so that the planner can choose a partial index.
        let states: Vec<_> = states.iter().map(|state| format!("'{state}'")).collect();
        query.push(format!(" AND {sign}state IN ({})", states.join(", ")));
    }
    if let Some(initiator) = initiator {
        query.push(format!(" AND {sign}initiator = ")).push_bind(initiator.as_str());
    }
    if let Some(time) = created_after {
        query.push(format!(" AND {sign}created_at >= ")).push_bind(millis(*time));
    }
    if let Some(time) = created_before {
        query.push(format!(" AND {sign}created_at < ")).push_bind(millis(*time));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::ids::ClientId;
    use crate::storage::sqlite::test_support::{plan, store};

    async fn plans(filter: &DeliveryFilter, sid: Option<&Sid>) -> Vec<String> {
        let (_folder, store) = store().await;
        let before = Some(DeliveryId(Uuid::max()));
        let list = List { filter, sid, before };
        let mut steps = Vec::new();
        if let Some(query) = list.window_end() {
            steps.extend(plan(&store, query.sql().as_str()).await);
        }
        steps.extend(plan(&store, list.page(Some(DeliveryId(Uuid::nil())), 51, 0).sql().as_str()).await);
        steps
    }

    #[tokio::test]
    async fn every_filter_is_applied_within_the_window() {
        let states = |states: &[State]| Some(states.iter().copied().collect::<BTreeSet<_>>());
        let client_id: Option<ClientId> = Some("shop".parse().unwrap());
        let initiator = Some("rp-logout".parse().unwrap());
        let time = Some("2026-01-02T03:04:05Z".parse().unwrap());
        let none = DeliveryFilter::default();
        for filter in [
            none.clone(),
            DeliveryFilter { initiator, ..none.clone() },
            DeliveryFilter { client_id: client_id.clone(), ..none.clone() },
            DeliveryFilter {
                states: states(&[State::Pending]),
                client_id: client_id.clone(),
                ..none.clone()
            },
            DeliveryFilter { states: states(&[State::InFlight]), ..none.clone() },
            DeliveryFilter { states: states(&[State::Rejected, State::Exhausted]), ..none.clone() },
            DeliveryFilter { created_after: time, created_before: time, initiator, ..none.clone() },
        ] {
            let steps = plans(&filter, None).await;
            assert_eq!(steps.len(), 2, "{filter:?}: {steps:#?}");
            for step in &steps {
                let along = "INDEX sqlite_autoindex_deliveries_1 (id";
                assert!(step.contains(along), "{filter:?}: {steps:#?}");
            }
        }
        // Failed deliveries of a client have an index, which is scanned instead.
        let dead =
            DeliveryFilter { states: states(&[State::Rejected]), client_id, initiator, ..none.clone() };
        for step in plans(&dead, None).await {
            assert!(step.contains("INDEX deliveries_dead (client_id=? AND id"), "{step}");
        }
        let sid: Sid = "s-1".parse().unwrap();
        let steps = plans(&DeliveryFilter { initiator, ..none }, Some(&sid)).await;
        assert!(steps[0].contains("INDEX deliveries_of_session (session_key=?)"), "{steps:#?}");
    }
}
