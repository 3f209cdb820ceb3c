//! Ends of all sessions of a user, and events that come in another order than they happened.

use std::collections::BTreeSet;

use super::world::*;
use crate::domain::event::{ClientAdded, SessionTerminated, SessionUpdated};
use crate::domain::metadata::SessionMetadata;
use crate::domain::session_details::SessionDetails;

fn end(second: i64, exclude: &[&str]) -> SubjectEnd {
    SubjectEnd {
        number: EndNumber(3),
        sub: sub("alice"),
        ended: Ended { at: at(second), initiator: Initiator::PasswordChanged },
        clients: NamedClients::new(),
        exclude_clients: exclude.iter().map(|id| client_id(id)).collect(),
        session_metadata: SessionMetadata::default(),
        notified: BTreeSet::new(),
    }
}

#[test]
fn a_session_ends_by_an_end_of_all_that_is_not_before_it() {
    // (reported to have begun, whether it has ended): of the same instant it has.
    for (second, has_ended) in [(49, true), (50, true), (51, false)] {
        let world =
            World { ended_since: Some(end(50, &["blog"])), ..World::new([client("shop"), client("blog")]) };
        let plan = world.at(second).plan(EventBody::Created(created("s-2", &["shop", "blog"]))).unwrap();
        let session = &plan.sessions[0];
        assert_eq!(session.ended, has_ended.then_some(end(50, &[]).ended), "at {second}");
        assert_eq!(recipients(&plan), if has_ended { vec!["shop"] } else { vec![] });
        assert_eq!(session.decided.contains(&client_id("blog")), has_ended);
    }
    // Without a time it began when it came in.
    let world = World { ended_since: Some(end(100, &[])), ..World::new([client("shop")]) };
    let plan = world.plan(EventBody::Created(created("s-2", &["shop"]))).unwrap();
    assert_eq!(plan.sessions[0].ended, None);
}

#[test]
fn a_clock_that_is_ahead_orders_its_own_events_within_a_tolerance() {
    // It is second 100. (reported to have begun, the user's end, whether the session ended by it)
    for (began, ended, has_ended) in [
        (103, 104, true),
        (104, 103, false),
        (160, 160, true),
        // A minute and a second ahead: that counts as no time.
        (161, 161, false),
        (161, 100, false),
    ] {
        let world = World { ended_since: Some(end(ended, &[])), ..World::new([client("shop")]) };
        let plan = world.at(began).plan(EventBody::Created(created("s-2", &["shop"]))).unwrap();
        assert_eq!(plan.sessions[0].ended.is_some(), has_ended, "began {began}, ended {ended}");
    }
    // No session lives longer for it.
    let lifetimes = Lifetimes { idle: Some(HOUR), absolute: Some(2 * HOUR) };
    let world = World { lifetimes, ..World::new([client("shop")]) }.at(160);
    let plan = world.plan(EventBody::Created(created("s-2", &["shop"]))).unwrap();
    let began = plan.sessions[0].clone();
    assert_eq!((began.idle_expires_at, began.expires_at), (Some(at(100 + 3600)), Some(at(100 + 7200))));

    // A later report without a time, or with an implausible one, is newer; one with a time is as old as its time.
    let updated = |second: Option<i64>| {
        let event = SessionUpdated {
            sid: "s-2".parse().unwrap(),
            session_metadata: Some(metadata(&[("v", "2")])),
            idle_expires_at: None,
            expires_at: Some(at(300)),
            details: SessionDetails::default(),
        };
        let mut world = World::new([client("shop")])
            .with_session(Session { expires_at: Some(at(200)), ..began.clone() }, &[]);
        world.time = second.map(at);
        let session = world.plan(EventBody::Updated(event)).unwrap().sessions[0].clone();
        session.expires_at == Some(at(300))
    };
    assert_eq!([None, Some(161), Some(160), Some(159)].map(updated), [true, true, true, false]);
}

#[test]
fn a_report_of_the_same_instant_as_the_end_is_overtaken_and_one_without_a_time_is_not() {
    let ended = || Session {
        ended: Some(Ended { at: at(50), initiator: Initiator::RpLogout }),
        ..session(&["shop"])
    };
    let world = || World::new([client("shop")]).with_session(ended(), &["shop"]);
    let again = || EventBody::Created(created("s-1", &["shop"]));
    assert!(world().at(50).plan(again()).unwrap().sessions[0].ended.is_some());
    assert!(world().plan(again()).unwrap().sessions[0].ended.is_none());
    // What cannot be stored does not count: it would be the same instant once it was.
    let mut finer = world();
    finer.time = Some(at(50) + Duration::from_micros(900));
    assert!(finer.plan(again()).unwrap().sessions[0].ended.is_some());

    // A later end of the same session is kept beside the first, an earlier one is not.
    for (second, again) in [(49, None), (50, None), (51, Some(51)), (70, Some(70))] {
        let world = World::new([client("shop")]).with_session(ended(), &["shop"]).at(second);
        let plan = world.plan(EventBody::Terminated(terminated(Some("s-1"), None))).unwrap();
        let session = &plan.sessions[0];
        assert_eq!((session.ended, session.ended_again_at), (ended().ended, again.map(at)), "at {second}");
    }
    let thrice = Session { ended_again_at: Some(at(60)), ..ended() };
    let world = World::new([client("shop")]).with_session(thrice, &["shop"]).at(55);
    let plan = world.plan(EventBody::Terminated(terminated(Some("s-1"), None))).unwrap();
    assert_eq!(plan.sessions[0].ended_again_at, Some(at(60)));

    // It counts too.
    let twice = Session { ended_again_at: Some(at(60)), ..ended() };
    let world = World::new([client("shop")]).with_session(twice, &["shop"]).at(55);
    assert!(world.plan(again()).unwrap().sessions[0].ended.is_some());
}

#[test]
fn sessions_beyond_the_participant_budget_are_left() {
    let other = |n: u128| Session {
        key: SessionKey(Uuid::from_u128(n)),
        sid: format!("s-{n}").parse().unwrap(),
        ..session(&["shop", "blog"])
    };
    let world = |participant_budget| {
        let world = World { participant_budget, ..World::new([client("shop"), client("blog")]) };
        world.with_session(other(11), &[]).with_session(other(12), &[]).with_session(other(13), &[])
    };
    let event = || EventBody::Terminated(terminated(None, Some("alice")));
    for (participant_budget, sessions, more) in
        [(0, 0, true), (1, 1, true), (3, 2, true), (5, 3, false), (6, 3, false)]
    {
        let plan = world(participant_budget).plan(event()).unwrap();
        assert_eq!(
            (plan.sessions.len(), plan.sids.len(), plan.more),
            (sessions, sessions, more),
            "{participant_budget}"
        );
        assert_eq!(plan.subject_end.map(|end| (end.number, end.ended.at)), Some((EndNumber(7), at(100))));

        let rest = world(participant_budget).plan_rest(&end(50, &["blog"]));
        assert!(rest.deliveries.iter().all(|it| it.client_id == client_id("shop")));
        assert_eq!(rest.more, rest.sessions.len() < 3);
        assert!(rest.sessions.iter().all(|it| it.ended == Some(end(50, &[]).ended)));
        assert_eq!(rest.subject_end, None);
    }
    let due: Vec<_> = [11, 12, 13].map(other).iter().map(|it| (it.sid.clone(), it.key)).collect();
    let expire = |participant_budget| {
        let due_by = |session: Session| Session { expires_at: Some(at(99)), ..session };
        let world = World { participant_budget, ..World::new([client("shop"), client("blog")]) };
        world
            .with_session(due_by(other(11)), &[])
            .with_session(due_by(other(12)), &[])
            .with_session(due_by(other(13)), &[])
    };
    for (participant_budget, sessions) in [(1, 1), (3, 2), (100, 3)] {
        let plan = expire(participant_budget).execute(&Command::Expire(due.clone())).unwrap();
        assert_eq!((plan.sessions.len(), plan.more), (sessions, sessions < 3));
    }
}

#[test]
fn exclusion_from_an_end_is_decided_once() {
    let picky = Client { initiators: Initiators::default(), ..client("picky") };
    let world = || World::new([picky.clone(), client("left"), client("shop"), client("new")]);
    let event = SessionTerminated {
        initiator: Initiator::SessionRevoked,
        exclude_clients: BTreeSet::from([client_id("left"), client_id("new")]),
        ..terminated(Some("s-1"), None)
    };
    let known = session(&["picky", "left", "shop", "removed"]);
    let plan = world().with_session(known, &[]).plan(EventBody::Terminated(event)).unwrap();
    let ended = plan.sessions[0].clone();
    assert_eq!(recipients(&plan), ["shop"]);
    let decided: Vec<_> = ended.decided.iter().map(ClientId::as_str).collect();
    assert_eq!(decided, ["left", "new", "picky", "removed", "shop"]);

    for later in [
        EventBody::ClientAdded(ClientAdded {
            sid: "s-1".parse().unwrap(),
            client_id: client_id("new"),
            sub: None,
        }),
        EventBody::Terminated(SessionTerminated {
            clients: named(&["left"]),
            ..terminated(Some("s-1"), None)
        }),
    ] {
        assert_eq!(
            recipients(&world().with_session(ended.clone(), &[]).plan(later).unwrap()),
            Vec::<&str>::new()
        );
    }
}

#[test]
fn a_session_has_so_many_clients_and_no_more() {
    let ids: Vec<String> = (0..=MAX_CLIENTS).map(|n| format!("c-{n}")).collect();
    let names: Vec<&str> = ids.iter().map(String::as_str).collect();
    let world = || World::new(names.iter().map(|id| client(id)));
    let most = EventBody::Created(created("s-2", &names[..MAX_CLIENTS]));
    assert_eq!(world().plan(most).unwrap().sessions[0].participants.len(), MAX_CLIENTS);
    let refusal = |field| Refusal::TooManyClients { field, count: MAX_CLIENTS + 1 };
    let more = EventBody::Created(created("s-2", &names));
    assert_eq!(world().plan(more).unwrap_err(), refusal(Field::Clients));
    let added = ClientAdded { sid: "s-1".parse().unwrap(), client_id: client_id("c-1000"), sub: None };
    let full = world().with_session(session(&names[..MAX_CLIENTS]), &[]);
    assert_eq!(full.plan(EventBody::ClientAdded(added)).unwrap_err(), refusal(Field::ClientId));
    // An end is never refused for it.
    let event = SessionTerminated { clients: named(&names), ..terminated(Some("s-1"), None) };
    let plan =
        world().with_session(session(&names[..MAX_CLIENTS]), &[]).plan(EventBody::Terminated(event)).unwrap();
    assert_eq!(plan.deliveries.len(), MAX_CLIENTS + 1);
}

#[test]
fn the_sources_clock_orders_its_reports_member_by_member() {
    let update = |org: Option<&str>, expires_at: Option<i64>| {
        EventBody::Updated(SessionUpdated {
            sid: "s-1".parse().unwrap(),
            session_metadata: org.map(|org| metadata(&[("org", org)])),
            idle_expires_at: None,
            expires_at: expires_at.map(at),
            details: SessionDetails::default(),
        })
    };
    let after = |session: Session, second: i64, body: EventBody| {
        World::new([]).with_session(session, &[]).at(second).plan(body).unwrap().sessions.remove(0)
    };
    let newer = after(session(&[]), 20, update(Some("20"), None));
    let older = after(newer, 10, update(Some("10"), Some(1_010)));
    assert_eq!(older.session_metadata, metadata(&[("org", "20")]));
    assert_eq!(older.expires_at, Some(at(1_010)));
    // Of the same instant, the one that comes in later.
    let same = after(older, 20, update(Some("20 again"), None));
    assert_eq!(same.session_metadata, metadata(&[("org", "20 again")]));
    // An earlier beginning makes nothing of this older than it is.
    let earlier = World::new([]).with_session(same, &[]).at(-5);
    let earlier = earlier.plan(EventBody::Created(created("s-1", &[]))).unwrap().sessions.remove(0);
    assert_eq!((earlier.created_at, &earlier.session_metadata), (at(-5), &metadata(&[("org", "20 again")])));
    let still = after(earlier, 9, update(None, Some(1_009)));
    assert_eq!(still.expires_at, Some(at(1_010)));
}
