//! A fixture for planning: clients, sessions, and the time, which is second 100.

pub(super) use std::collections::BTreeMap;
pub(super) use std::sync::Arc;
pub(super) use std::time::Duration;

pub(super) use jiff::Timestamp;
pub(super) use uuid::Uuid;

pub(super) use crate::domain::client::{Client, TokenSubject};
pub(super) use crate::domain::delivery::{DeliverySummary, Intent, State};
pub(super) use crate::domain::event::{Event, EventBody, NamedClients, Target};
pub(super) use crate::domain::ids::{ClientId, DeliveryId, Sid, Sub};
pub(super) use crate::domain::initiator::{Initiator, Initiators};
pub(super) use crate::domain::pairwise::Subjects;
pub(super) use crate::domain::plan::*;
pub(super) use crate::domain::session::{EndNumber, Ended, Flow, Lifetimes, Session, SessionKey, SubjectEnd};
pub(super) use crate::domain::test_support::*;

pub(super) const HOUR: Duration = Duration::from_hours(1);

pub(super) fn client(id: &str) -> Client {
    Client {
        backchannel_logout_uri: Some(format!("https://{id}.example.com/logout").parse().unwrap()),
        initiators: Initiators::All,
        ..Client::new(client_id(id))
    }
}

pub(super) fn session(participants: &[&str]) -> Session {
    Session {
        sub: Some(sub("alice")),
        session_metadata: metadata(&[("org_id", "org_1"), ("device", "phone")]),
        participants: named(participants),
        revision: 1,
        ..Session::new(SessionKey(Uuid::from_u128(7)), "s-1".parse().unwrap(), at(0))
    }
}

/// Plans one event at second 100, with the given clients registered and sessions known.
pub(super) struct World {
    pub(super) clients: BTreeMap<ClientId, Registration>,
    pub(super) sessions: Vec<KnownSession>,
    pub(super) subject_known: bool,
    pub(super) waiting: WaitingSubjects,
    pub(super) ended_since: Option<SubjectEnd>,
    pub(super) unfinished_end: Option<EndNumber>,
    pub(super) participant_budget: usize,
    pub(super) subjects: Subjects,
    pub(super) time: Option<Timestamp>,
    pub(super) lifetimes: Lifetimes,
}

impl World {
    pub(super) fn new(clients: impl IntoIterator<Item = Client>) -> Self {
        let clients = clients.into_iter().map(|client| {
            let subscribed = client.backchannel_logout_uri.is_some();
            (client.client_id.clone(), Registration { client: Arc::new(client), subscribed })
        });
        Self {
            clients: clients.collect(),
            sessions: Vec::new(),
            subject_known: false,
            waiting: WaitingSubjects::default(),
            ended_since: None,
            unfinished_end: None,
            participant_budget: usize::MAX,
            subjects: Subjects::default(),
            time: None,
            lifetimes: Lifetimes::default(),
        }
    }

    /// Adds a session, with a delivery to each of `delivered_to`. If it has ended, no participant is undecided.
    pub(super) fn with_session(mut self, mut session: Session, delivered_to: &[&str]) -> Self {
        if session.ended.is_some() {
            session.decided.extend(session.participants.keys().cloned());
        }
        let deliveries = delivered_to.iter().map(|id| DeliverySummary {
            id: DeliveryId(Uuid::from_u128(99)),
            client_id: client_id(id),
            state: State::Delivered,
        });
        self.sessions.push(KnownSession { session, deliveries: deliveries.collect() });
        self.subject_known = true;
        self
    }

    pub(super) fn at(mut self, second: i64) -> Self {
        self.time = Some(at(second));
        self
    }

    /// Plans an event.
    pub(super) fn plan(self, body: EventBody) -> Result<Plan, Refusal> {
        let event = Event { source: "op".into(), id: "1".into(), time: self.time, body };
        plan(&event, self.input(), &mut ids())
    }

    /// Plans a command.
    pub(super) fn execute(self, command: &Command) -> Result<Plan, CommandRefusal> {
        plan_command(command, self.input(), &mut ids())
    }

    /// Plans the rest of an end that was accepted before.
    pub(super) fn plan_rest(self, end: &SubjectEnd) -> Plan {
        plan_rest(end, end.notified.clone(), self.input(), &mut ids())
    }

    fn input(&self) -> PlanInput<'_> {
        PlanInput {
            now: at(100),
            max_age: HOUR,
            lifetimes: self.lifetimes,
            clients: &self.clients,
            sessions: self.sessions.clone(),
            more_sessions: false,
            subject_known: self.subject_known,
            ended_since: self.ended_since.clone().map(Arc::new),
            unfinished_end: self.unfinished_end,
            next_end: EndNumber(7),
            participant_budget: self.participant_budget,
            waiting: &self.waiting,
            subjects: &self.subjects,
        }
    }
}

fn ids() -> impl FnMut() -> Uuid {
    let mut next = 1000;
    move || {
        next += 1;
        Uuid::from_u128(next)
    }
}

pub(super) fn recipients(plan: &Plan) -> Vec<&str> {
    plan.deliveries.iter().map(|it| it.client_id.as_str()).collect()
}
