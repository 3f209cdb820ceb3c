//! What the planner is given.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::client::Client;
use crate::domain::delivery::DeliverySummary;
use crate::domain::ids::{ClientId, Sub};
use crate::domain::pairwise::Subjects;
use crate::domain::session::{EndNumber, Lifetimes, Session, SubjectEnd};

/// What the planner needs to know.
#[derive(Debug)]
pub struct PlanInput<'a> {
    /// The time.
    pub now: Timestamp,
    /// How long a new delivery is attempted.
    pub max_age: Duration,
    /// The lifetimes of sessions for which the OP does not report any.
    pub lifetimes: Lifetimes,
    /// The registered clients among those that the event names and the participants of `sessions`.
    pub clients: &'a BTreeMap<ClientId, Registration>,
    /// The session of the event's `sid`, or live sessions of its `sub`.
    pub sessions: Vec<KnownSession>,
    /// Whether the user has more live sessions than these.
    pub more_sessions: bool,
    /// Whether any session of the event's `sub`, ended ones included, is known.
    pub subject_known: bool,
    /// The first end of all sessions of the event's `sub` that is not before the event's time.
    pub ended_since: Option<Arc<SubjectEnd>>,
    /// The last end of all sessions of the event's `sub` that is not finished.
    pub unfinished_end: Option<EndNumber>,
    /// The number of the next end of all sessions of a user.
    pub next_end: EndNumber,
    /// Once the sessions that this plan ends have so many participants, the others are left for later transactions.
    pub participant_budget: usize,
    /// Pending deliveries with a `sub` and no `sid`.
    pub waiting: &'a WaitingSubjects,
    /// Chooses the `sub` for each client's tokens.
    pub subjects: &'a Subjects,
}

/// A registered client, and whether it wants logout tokens at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The client.
    pub client: Arc<Client>,
    /// It has a `backchannel_logout_uri`, and its RP did not answer 410 (Gone).
    pub subscribed: bool,
}

/// A stored session and, if it has ended, the deliveries of its end.
#[derive(Clone, Debug)]
pub struct KnownSession {
    /// The session.
    pub session: Session,
    /// Its deliveries.
    pub deliveries: Vec<DeliverySummary>,
}

/// Pending deliveries with a `sub` and no `sid`, by client and `sub`. The token of such a delivery means every session
/// that the user has when it is sent.
#[derive(Clone, Debug, Default)]
pub struct WaitingSubjects(HashMap<(ClientId, Sub), DeliverySummary>);

impl FromIterator<(Sub, DeliverySummary)> for WaitingSubjects {
    fn from_iter<I: IntoIterator<Item = (Sub, DeliverySummary)>>(found: I) -> Self {
        let mut waiting = Self::default();
        for (sub, delivery) in found {
            waiting.insert(sub, delivery);
        }
        waiting
    }
}

impl WaitingSubjects {
    /// Adds one.
    pub fn insert(&mut self, sub: Sub, delivery: DeliverySummary) {
        self.0.insert((delivery.client_id.clone(), sub), delivery);
    }

    /// Removes one.
    pub fn remove(&mut self, client_id: &ClientId, sub: &Sub) {
        self.0.remove(&(client_id.clone(), sub.clone()));
    }

    pub(super) fn get(&self, key: &(ClientId, Sub)) -> Option<&DeliverySummary> {
        self.0.get(key)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::delivery::State;
    use crate::domain::ids::DeliveryId;
    use crate::domain::test_support::{client_id, sub};

    #[test]
    fn waiting_subjects_are_found_by_client_and_sub() {
        let shop = client_id("shop");
        let delivery = DeliverySummary {
            id: DeliveryId(Uuid::from_u128(77)),
            client_id: shop.clone(),
            state: State::Pending,
        };
        let mut waiting: WaitingSubjects = [(sub("alice"), delivery.clone())].into_iter().collect();
        let key = |client: &str, of: &str| (client_id(client), sub(of));
        assert_eq!(waiting.get(&key("shop", "alice")), Some(&delivery));
        assert_eq!((waiting.get(&key("shop", "bob")), waiting.get(&key("blog", "alice"))), (None, None));
        waiting.remove(&shop, &sub("bob"));
        assert!(waiting.get(&key("shop", "alice")).is_some());
        waiting.remove(&shop, &sub("alice"));
        assert_eq!(waiting.get(&key("shop", "alice")), None);
    }
}
