//! What a group of requests is planned against: what the store had before, and what follows from the requests of the
//! group that are planned already.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::delivery::Intent;
use crate::domain::event::Target;
use crate::domain::ids::{ClientId, Sid, Sub};
use crate::domain::plan::{KnownSession, Registration, Renewal, WaitingSubjects};
use crate::domain::session::{EndNumber, Session, SubjectEnd};
use crate::storage::{AcceptedBefore, AcceptedElsewhere, AcceptedEvent, EventKey, Known, Part};

mod apply;
mod changes;
mod undo;

use undo::UndoLog;

pub(super) use apply::{plan_deliveries, receipt};

/// What a group of requests is planned against, and what is to be stored of it.
#[derive(Debug, Default)]
pub(super) struct WorkingSet {
    accepted_before: HashMap<EventKey, AcceptedBefore>,
    accepted: HashMap<EventKey, AcceptedEvent>,
    /// What other reporters had reported under the same source and id.
    pub(super) elsewhere: HashMap<EventKey, Vec<AcceptedElsewhere>>,
    sessions: HashMap<Sid, KnownSession>,
    /// The sessions that were ever seen with a user's `sub`. Some may have another one by now.
    by_sub: HashMap<Sub, BTreeSet<Sid>>,
    known_subs: BTreeSet<Sub>,
    /// Users with more live sessions than those here.
    more_of: BTreeSet<Sub>,
    pub(super) clients: BTreeMap<ClientId, Registration>,
    pub(super) waiting: WaitingSubjects,
    ended_since: HashMap<(Sub, Timestamp), Arc<SubjectEnd>>,
    /// The subject ends that are not finished, in order.
    unfinished: HashMap<Sub, Vec<Arc<SubjectEnd>>>,
    last_end: EndNumber,

    changed: HashSet<Sid>,
    new_events: Vec<EventKey>,
    pub(super) deliveries: Vec<Intent>,
    pub(super) renewed: Vec<Renewal>,
    new_ends: Vec<NewEnd>,
    parts: Vec<(EndNumber, Part)>,
    /// The recipients of tokens with a `sub` and no `sid`, of subject ends that are not finished.
    subject_recipients: Vec<(EndNumber, (ClientId, Sub))>,
    finished: Vec<EndNumber>,
    undo_log: UndoLog,
}

/// A subject end that was accepted in this group.
#[derive(Debug)]
struct NewEnd {
    end: Arc<SubjectEnd>,
    is_finished: bool,
}

/// What is known of the target of an event or command.
pub(super) struct TargetState {
    /// The session of its `sid`, or live sessions of its `sub`.
    pub(super) sessions: Vec<KnownSession>,
    /// Whether the user has more.
    pub(super) more: bool,
    /// Whether any session of the user is known.
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
            set.insert_session(session);
        }
        for end in unfinished {
            set.unfinished.entry(end.sub.clone()).or_default().push(end);
        }
        set
    }

    /// The sessions, as they are now.
    pub(super) fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values().map(|it| &it.session)
    }

    /// The participants of the sessions, and the clients that are named by a subject end which is not finished or may
    /// cover one of the sessions.
    pub(super) fn clients_concerned(&self) -> impl Iterator<Item = &ClientId> {
        let participants = self.sessions().flat_map(|it| it.participants.keys());
        let ends = self.ended_since.values().chain(self.unfinished.values().flatten());
        participants.chain(ends.flat_map(|end| end.clients.keys()))
    }

    /// The users of subject ends that were accepted before.
    pub(super) fn subs_of_ends(&self) -> impl Iterator<Item = &Sub> {
        self.ended_since.keys().map(|(sub, _)| sub).chain(self.unfinished.keys())
    }

    /// How many clients a target's sessions have, as far as they are known.
    pub(super) fn client_count(&self, target: &Target) -> usize {
        match target {
            Target::Session { sid, .. } => {
                let participants = self.sessions.get(sid).map_or(0, |it| it.session.participants.len());
                let named_by_end = self.to_be_ended(target).map_or(0, |(_, end)| end.clients.len());
                participants + named_by_end
            }
            // Sessions that are too many for one transaction are left for later ones.
            Target::Subject(_) => 0,
        }
    }

    /// The event, if it was accepted in this group.
    pub(super) fn accepted(&self, key: &EventKey) -> Option<&AcceptedEvent> {
        self.accepted.get(key)
    }

    /// The event, if it was accepted before this group.
    pub(super) fn accepted_before(&self, key: &EventKey) -> Option<&AcceptedBefore> {
        self.accepted_before.get(key)
    }

    /// What is known of a target. While a subject end of a user is not finished, none of the user's sessions are in it:
    /// that end comes first.
    pub(super) fn state_of(&self, target: &Target) -> TargetState {
        match target {
            Target::Session { sid, .. } => {
                let sessions = self.sessions.get(sid).cloned().into_iter().collect();
                TargetState { sessions, more: false, subject_known: false }
            }
            Target::Subject(sub) => self.state_of_subject(sub),
        }
    }

    fn state_of_subject(&self, sub: &Sub) -> TargetState {
        let of_sub = |sid: &Sid| self.sessions.get(sid).filter(|it| it.session.sub.as_ref() == Some(sub));
        let all: Vec<&KnownSession> = self.by_sub.get(sub).into_iter().flatten().filter_map(of_sub).collect();
        if self.unfinished.contains_key(sub) {
            return TargetState { sessions: Vec::new(), more: true, subject_known: true };
        }
        let subject_known = !all.is_empty() || self.known_subs.contains(sub);
        let mut sessions: Vec<KnownSession> =
            all.into_iter().filter(|it| it.session.ended.is_none()).cloned().collect();
        sessions.sort_by(|a, b| {
            (a.session.created_at, &a.session.sid).cmp(&(b.session.created_at, &b.session.sid))
        });
        TargetState { sessions, more: self.more_of.contains(sub), subject_known }
    }

    /// The first subject end of a user that is not before a time.
    pub(super) fn ended_since(&self, sub: &Sub, time: Timestamp) -> Option<Arc<SubjectEnd>> {
        let in_group = self.new_ends.iter().map(|it| &it.end);
        let in_group = in_group.filter(|end| end.sub == *sub && end.ended.at >= time);
        let before = self.ended_since.get(&(sub.clone(), time));
        before.into_iter().chain(in_group).min_by_key(|end| (end.ended.at, end.number)).cloned()
    }

    /// The last subject end of a user that is not finished.
    pub(super) fn unfinished_end(&self, sub: &Sub) -> Option<EndNumber> {
        self.unfinished.get(sub).and_then(|ends| ends.last()).map(|end| end.number)
    }

    /// The live session of a target, and the first unfinished subject end that covers it.
    pub(super) fn to_be_ended(&self, target: &Target) -> Option<(KnownSession, Arc<SubjectEnd>)> {
        let Target::Session { sid, .. } = target else { return None };
        let known = self.sessions.get(sid).filter(|it| it.session.ended.is_none())?;
        let ends = self.unfinished.get(known.session.sub.as_ref()?)?;
        let end = ends.iter().find(|end| known.session.begun_after.is_none_or(|after| after < end.number))?;
        Some((known.clone(), Arc::clone(end)))
    }

    /// The recipients of tokens with a `sub` and no `sid` of an unfinished subject end.
    pub(super) fn subject_recipients(&self, end: &SubjectEnd) -> BTreeSet<(ClientId, Sub)> {
        let of_end = self.subject_recipients.iter().filter(|(number, _)| *number == end.number);
        end.notified.iter().chain(of_end.map(|(_, recipient)| recipient)).cloned().collect()
    }

    /// The number of the next subject end.
    pub(super) fn next_end(&self) -> EndNumber {
        self.last_end.next()
    }

    /// Whether a subject end was accepted that is not finished.
    pub(super) fn leaves_ends_unfinished(&self) -> bool {
        self.new_ends.iter().any(|it| !it.is_finished)
    }

    fn insert_session(&mut self, session: KnownSession) {
        let sid = session.session.sid.clone();
        if let Some(sub) = &session.session.sub {
            self.by_sub.entry(sub.clone()).or_default().insert(sid.clone());
        }
        self.sessions.insert(sid, session);
    }
}
