//! What a group of events is planned against: what the store knew before it, and what follows from the
//! events of the group that were planned already.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::delivery::{DeliverySummary, Intent, State};
use crate::domain::event::Target;
use crate::domain::ids::{ClientId, Sid, Sub};
use crate::domain::plan::{KnownSession, Plan, Registration, Renewal, WaitingSubjects};
use crate::domain::receipt::Receipt;
use crate::domain::session::{EndNumber, Session, SessionKey, SubjectEnd};
use crate::storage::{
    AcceptedBefore, AcceptedElsewhere, AcceptedEvent, Changes, EventKey, Known, Lease, Part,
};

/// What a group of events is planned against, and what is to be stored of it.
#[derive(Debug, Default)]
pub(super) struct WorkingSet {
    accepted_before: HashMap<EventKey, AcceptedBefore>,
    accepted: HashMap<EventKey, AcceptedEvent>,
    /// What others had reported under the same source and id.
    pub(super) elsewhere: HashMap<EventKey, Vec<AcceptedElsewhere>>,
    sessions: HashMap<Sid, KnownSession>,
    /// The sessions that were ever seen to be of a user. Some may no longer be.
    by_sub: HashMap<Sub, BTreeSet<Sid>>,
    known_subs: BTreeSet<Sub>,
    /// Users who have more live sessions than those here.
    more_of: BTreeSet<Sub>,
    pub(super) clients: BTreeMap<ClientId, Registration>,
    pub(super) waiting: WaitingSubjects,
    ended_since: HashMap<(Sub, Timestamp), Arc<SubjectEnd>>,
    /// Ends of all sessions of a user that are not finished, in order.
    unfinished: HashMap<Sub, Vec<Arc<SubjectEnd>>>,
    last_end: EndNumber,

    changed: HashSet<Sid>,
    new_events: Vec<EventKey>,
    pub(super) deliveries: Vec<Intent>,
    pub(super) renewed: Vec<Renewal>,
    new_ends: Vec<(Arc<SubjectEnd>, bool)>,
    parts: Vec<(EndNumber, Part)>,
    /// Whom tokens about the user tell of ends that are not finished.
    told: Vec<(EndNumber, (ClientId, Sub))>,
    finished: Vec<EndNumber>,
    /// What a request changed, to take it back if it is refused.
    journal: Vec<(Sid, Option<KnownSession>)>,
    mark: Mark,
}

/// How far the lists were when a request began.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    new_events: usize,
    deliveries: usize,
    renewed: usize,
    new_ends: usize,
    parts: usize,
    told: usize,
}

/// What is known of what an event is about.
pub(super) struct About {
    /// The session of its `sid`, or live sessions of its `sub`.
    pub(super) sessions: Vec<KnownSession>,
    /// Whether the user has more.
    pub(super) more: bool,
    /// Whether the user is known.
    pub(super) subject_known: bool,
}

impl WorkingSet {
    pub(super) fn new(known: Known) -> Self {
        let Known { events, elsewhere, sessions, subs, more_of, ended_since, unfinished, last_end } = known;
        let mut set = Self {
            accepted_before: events,
            elsewhere,
            known_subs: subs,
            more_of,
            ended_since,
            last_end,
            ..Self::default()
        };
        for session in sessions {
            set.put(session);
        }
        for end in unfinished {
            set.unfinished.entry(end.sub.clone()).or_default().push(end);
        }
        set
    }

    /// The sessions as they stand.
    pub(super) fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values().map(|it| &it.session)
    }

    /// The clients that take part in any session, or are to be told of one because of an end that is not finished or
    /// may turn out to be about one.
    pub(super) fn clients_concerned(&self) -> impl Iterator<Item = &ClientId> {
        let participants = self.sessions().flat_map(|it| it.participants.keys());
        let ends = self.ended_since.values().chain(self.unfinished.values().flatten());
        participants.chain(ends.flat_map(|end| end.clients.keys()))
    }

    /// The users whose sessions an end that was accepted before is about.
    pub(super) fn subs_of_ends(&self) -> impl Iterator<Item = &Sub> {
        self.ended_since.keys().map(|(sub, _)| sub).chain(self.unfinished.keys())
    }

    /// How many clients take part in what a target names, as far as that is known.
    pub(super) fn weight(&self, target: &Target) -> usize {
        match target {
            Target::Session { sid, .. } => {
                let participants = self.sessions.get(sid).map_or(0, |it| it.session.participants.len());
                let being_ended = self.to_be_ended(target).map_or(0, |(_, end)| end.clients.len());
                participants + being_ended
            }
            // What is too much of it is left for later.
            Target::Subject(_) => 0,
        }
    }

    /// What was accepted as this event in this group.
    pub(super) fn accepted(&self, key: &EventKey) -> Option<&AcceptedEvent> {
        self.accepted.get(key)
    }

    /// What was accepted as this event before this group.
    pub(super) fn accepted_before(&self, key: &EventKey) -> Option<&AcceptedBefore> {
        self.accepted_before.get(key)
    }

    /// What is known of a target. Sessions of a user are left out while an earlier end of all of them is not
    /// finished: that one comes first.
    pub(super) fn about(&self, target: &Target) -> About {
        match target {
            Target::Session { sid, .. } => {
                let sessions = self.sessions.get(sid).cloned().into_iter().collect();
                About { sessions, more: false, subject_known: false }
            }
            Target::Subject(sub) => {
                let of_sub =
                    |sid: &Sid| self.sessions.get(sid).filter(|it| it.session.sub.as_ref() == Some(sub));
                let all: Vec<&KnownSession> =
                    self.by_sub.get(sub).into_iter().flatten().filter_map(of_sub).collect();
                let subject_known = !all.is_empty() || self.known_subs.contains(sub);
                if self.unfinished.contains_key(sub) {
                    return About { sessions: Vec::new(), more: true, subject_known: true };
                }
                let mut sessions: Vec<KnownSession> =
                    all.into_iter().filter(|it| it.session.ended.is_none()).cloned().collect();
                sessions.sort_by(|a, b| {
                    (a.session.created_at, &a.session.sid).cmp(&(b.session.created_at, &b.session.sid))
                });
                About { sessions, more: self.more_of.contains(sub), subject_known }
            }
        }
    }

    /// The first end of all sessions of a user that is not before a time.
    pub(super) fn ended_since(&self, sub: &Sub, time: Timestamp) -> Option<Arc<SubjectEnd>> {
        let in_group = self.new_ends.iter().map(|(end, _)| end);
        let in_group = in_group.filter(|end| end.sub == *sub && end.ended.at >= time);
        let before = self.ended_since.get(&(sub.clone(), time));
        before.into_iter().chain(in_group).min_by_key(|end| (end.ended.at, end.number)).cloned()
    }

    /// The last end of all sessions of a user that is not finished.
    pub(super) fn being_ended(&self, sub: &Sub) -> Option<EndNumber> {
        self.unfinished.get(sub).and_then(|ends| ends.last()).map(|end| end.number)
    }

    /// The session of a target that lives, and the first unfinished end that is about it.
    pub(super) fn to_be_ended(&self, target: &Target) -> Option<(KnownSession, Arc<SubjectEnd>)> {
        let Target::Session { sid, .. } = target else { return None };
        let known = self.sessions.get(sid).filter(|it| it.session.ended.is_none())?;
        let ends = self.unfinished.get(known.session.sub.as_ref()?)?;
        let end = ends.iter().find(|end| known.session.begun_after.is_none_or(|after| after < end.number))?;
        Some((known.clone(), Arc::clone(end)))
    }

    /// Whom tokens about the user told of an end that is not finished.
    pub(super) fn told_of(&self, end: &SubjectEnd) -> BTreeSet<(ClientId, Sub)> {
        let since = self.told.iter().filter(|(number, _)| *number == end.number).map(|(_, told)| told);
        end.told.iter().chain(since).cloned().collect()
    }

    /// The number of the next end.
    pub(super) fn next_end(&self) -> EndNumber {
        self.last_end.next()
    }

    /// A request begins: what follows can be taken back.
    pub(super) fn begin_request(&mut self) {
        self.journal.clear();
        self.mark = Mark {
            new_events: self.new_events.len(),
            deliveries: self.deliveries.len(),
            renewed: self.renewed.len(),
            new_ends: self.new_ends.len(),
            parts: self.parts.len(),
            told: self.told.len(),
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
        for intent in self.deliveries.split_off(self.mark.deliveries) {
            if let (None, Some(sub)) = (&intent.sid, &intent.sub) {
                self.waiting.remove(&intent.client_id, sub);
            }
        }
        self.renewed.truncate(self.mark.renewed);
        self.parts.truncate(self.mark.parts);
        self.told.truncate(self.mark.told);
        for (end, _) in self.new_ends.split_off(self.mark.new_ends) {
            if let Some(ends) = self.unfinished.get_mut(&end.sub) {
                ends.retain(|it| it.number != end.number);
                if ends.is_empty() {
                    self.unfinished.remove(&end.sub);
                }
            }
        }
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
        let Plan { sessions, deliveries, renewed, told, subject_end, more, .. } = plan;
        let mut made: HashMap<SessionKey, Vec<DeliverySummary>> = HashMap::new();
        for intent in &deliveries {
            if let Some(key) = intent.session_key {
                made.entry(key).or_default().push(summary(intent));
            }
        }
        for session in sessions {
            let mut all = made.remove(&session.key).unwrap_or_default();
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
                self.waiting.insert(sub.clone(), summary(intent));
            }
        }
        self.deliveries.extend(deliveries);
        self.renewed.extend(renewed);
        if let Some(end) = subject_end.map(Arc::new) {
            self.last_end = end.number;
            if more {
                self.told.extend(told.into_iter().map(|told| (end.number, told)));
                self.unfinished.entry(end.sub.clone()).or_default().push(Arc::clone(&end));
            }
            self.new_ends.push((end, !more));
        }
    }

    /// A plan carried an end that was accepted before a bit further.
    pub(super) fn apply_part(&mut self, end: EndNumber, plan: Plan) {
        self.parts.push((end, Part { sessions: plan.sids.clone(), deliveries: deliveries(&plan) }));
        self.told.extend(plan.told.iter().cloned().map(|told| (end, told)));
        self.apply(plan);
    }

    /// Every session that an end is about has ended.
    pub(super) fn finish(&mut self, end: EndNumber) {
        self.finished.push(end);
    }

    /// Whether an end was accepted that is not finished.
    pub(super) fn leaves_ends_unfinished(&self) -> bool {
        self.new_ends.iter().any(|(_, finished)| !finished)
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
            // Of those of one delivery the last counts.
            renewed: self
                .renewed
                .iter()
                .map(|it| (it.id, it))
                .collect::<HashMap<_, _>>()
                .into_values()
                .collect(),
            events: events.collect(),
            ends: self.new_ends.iter().map(|(end, finished)| (&**end, *finished)).collect(),
            parts: self.parts.iter().map(|(end, part)| (*end, part)).collect(),
            told: self.told.iter().map(|(end, (client_id, sub))| (*end, client_id, sub)).collect(),
            finished: self.finished.clone(),
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
