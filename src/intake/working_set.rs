//! What a group of events is planned against: what the store knew before it, and what follows from the
//! events of the group that were planned already.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::domain::delivery::{DeliverySummary, Intent, State};
use crate::domain::event::Target;
use crate::domain::ids::{ClientId, Sid, Sub};
use crate::domain::plan::{KnownSession, Plan, Registration, WaitingSubject};
use crate::domain::receipt::Receipt;
use crate::domain::session::Session;
use crate::storage::{AcceptedElsewhere, AcceptedEvent, Changes, EventKey, Known, Lease};

/// What a group of events is planned against, and what is to be stored of it.
#[derive(Debug, Default)]
pub(super) struct WorkingSet {
    accepted: HashMap<EventKey, AcceptedEvent>,
    /// What others had reported under the same source and id.
    pub(super) elsewhere: HashMap<EventKey, Vec<AcceptedElsewhere>>,
    sessions: HashMap<Sid, KnownSession>,
    /// The sessions that were ever seen to be of a user. Some may no longer be.
    by_sub: HashMap<Sub, BTreeSet<Sid>>,
    known_subs: BTreeSet<Sub>,
    pub(super) clients: BTreeMap<ClientId, Registration>,
    pub(super) waiting: Vec<WaitingSubject>,

    changed: HashSet<Sid>,
    new_events: Vec<EventKey>,
    pub(super) deliveries: Vec<Intent>,
    /// What a request changed, to take it back if it is refused.
    journal: Vec<(Sid, Option<KnownSession>)>,
    mark: Mark,
}

/// How far the lists were when a request began.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    waiting: usize,
    new_events: usize,
    deliveries: usize,
}

impl WorkingSet {
    pub(super) fn new(known: Known) -> Self {
        let Known { events, elsewhere, sessions, subs } = known;
        let mut set = Self { accepted: events, elsewhere, known_subs: subs, ..Self::default() };
        for session in sessions {
            set.put(session);
        }
        set
    }

    /// The sessions as they stand.
    pub(super) fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values().map(|it| &it.session)
    }

    /// The clients that take part in any session.
    pub(super) fn participants(&self) -> impl Iterator<Item = &ClientId> {
        self.sessions().flat_map(|it| it.participants.keys())
    }

    /// What was answered to this event, if it was accepted before, in this group or earlier.
    pub(super) fn accepted(&self, key: &EventKey) -> Option<&AcceptedEvent> {
        self.accepted.get(key)
    }

    /// The sessions there are of a target, and whether the store knows the user.
    pub(super) fn about(&self, target: &Target) -> (Vec<KnownSession>, bool) {
        match target {
            Target::Session { sid, .. } => (self.sessions.get(sid).cloned().into_iter().collect(), false),
            Target::Subject(sub) => {
                let of_sub =
                    |sid: &Sid| self.sessions.get(sid).filter(|it| it.session.sub.as_ref() == Some(sub));
                let all: Vec<&KnownSession> =
                    self.by_sub.get(sub).into_iter().flatten().filter_map(of_sub).collect();
                let known = !all.is_empty() || self.known_subs.contains(sub);
                let mut live: Vec<KnownSession> =
                    all.into_iter().filter(|it| it.session.ended.is_none()).cloned().collect();
                live.sort_by(|a, b| {
                    (a.session.created_at, &a.session.sid).cmp(&(b.session.created_at, &b.session.sid))
                });
                (live, known)
            }
        }
    }

    /// A request begins: what follows can be taken back.
    pub(super) fn begin_request(&mut self) {
        self.journal.clear();
        self.mark = Mark {
            waiting: self.waiting.len(),
            new_events: self.new_events.len(),
            deliveries: self.deliveries.len(),
        };
    }

    /// Takes back all that the request changed.
    pub(super) fn undo_request(&mut self) {
        while let Some((sid, before)) = self.journal.pop() {
            match before {
                Some(session) => self.sessions.insert(sid, session),
                None => self.sessions.remove(&sid),
            };
        }
        self.waiting.truncate(self.mark.waiting);
        self.deliveries.truncate(self.mark.deliveries);
        for key in self.new_events.split_off(self.mark.new_events) {
            self.accepted.remove(&key);
        }
    }

    /// An event was planned and is to be remembered.
    pub(super) fn remember(&mut self, key: EventKey, accepted: AcceptedEvent) {
        self.new_events.push(key.clone());
        self.accepted.insert(key, accepted);
    }

    /// A plan was made: from now on this is how things stand.
    pub(super) fn apply(&mut self, plan: Plan) {
        let Plan { sessions, deliveries, existing: _, sids: _, untold: _ } = plan;
        for session in sessions {
            let told = |it: &&Intent| it.session_key == Some(session.key);
            let mut all: Vec<DeliverySummary> = deliveries.iter().filter(told).map(summary).collect();
            let before = self.sessions.get(&session.sid);
            if let Some(before) = before.filter(|it| it.session.key == session.key) {
                all.extend(before.deliveries.iter().cloned());
            }
            self.journal.push((session.sid.clone(), before.cloned()));
            self.changed.insert(session.sid.clone());
            self.put(KnownSession { session, deliveries: all });
        }
        for intent in &deliveries {
            if let (None, Some(sub)) = (&intent.sid, &intent.sub) {
                self.waiting.push(WaitingSubject { sub: sub.clone(), delivery: summary(intent) });
            }
        }
        self.deliveries.extend(deliveries);
    }

    /// The client of each new delivery that may be attempted at once: those of a disabled one wait.
    pub(super) fn attemptable_clients(&self) -> Vec<&ClientId> {
        self.deliveries.iter().filter(|it| self.is_enabled(&it.client_id)).map(|it| &it.client_id).collect()
    }

    /// The lease of each new delivery, from those of the deliveries that may be attempted at once.
    pub(super) fn assign(&self, leases: Vec<Option<Lease>>) -> Vec<Option<Lease>> {
        let mut leases = leases.into_iter();
        let assign = |intent: &Intent| {
            if self.is_enabled(&intent.client_id) { leases.next().flatten() } else { None }
        };
        self.deliveries.iter().map(assign).collect()
    }

    fn is_enabled(&self, client_id: &ClientId) -> bool {
        self.clients.get(client_id).is_some_and(|it| it.client.enabled)
    }

    /// All that is to be stored, with the lease of each new delivery.
    pub(super) fn changes(&self, leases: &[Option<Lease>]) -> Changes<'_> {
        // A session that a refused request made is gone again, and one that it changed is as it was.
        let sessions = self.changed.iter().filter_map(|sid| self.sessions.get(sid)).map(|it| &it.session);
        let events = self.new_events.iter().filter_map(|key| Some((key, self.accepted.get(key)?)));
        Changes {
            sessions: sessions.collect(),
            deliveries: self.deliveries.iter().zip(leases.iter().copied()).collect(),
            events: events.collect(),
        }
    }

    fn put(&mut self, session: KnownSession) {
        let sid = session.session.sid.clone();
        if let Some(sub) = &session.session.sub {
            self.by_sub.entry(sub.clone()).or_default().insert(sid.clone());
        }
        self.sessions.insert(sid, session);
    }
}

/// What the source is told of a plan.
pub(super) fn receipt(event_id: &str, plan: &Plan) -> Receipt {
    Receipt { id: event_id.to_owned(), sessions: plan.sids.clone(), deliveries: deliveries(plan) }
}

/// The deliveries of a plan: those there were, and the new ones.
pub(super) fn deliveries(plan: &Plan) -> Vec<DeliverySummary> {
    plan.existing.iter().cloned().chain(plan.deliveries.iter().map(summary)).collect()
}

fn summary(intent: &Intent) -> DeliverySummary {
    DeliverySummary { id: intent.id, client_id: intent.client_id.clone(), state: State::Pending }
}
