//! Commands, and the lifetimes by which sessions end.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::world::*;
use crate::domain::client::{SubjectType, TokenOptions};
use crate::domain::event::{ClientAdded, SessionCreated, SessionUpdated};
use crate::domain::session_details::SessionDetails;

fn ended() -> Ended {
    Ended { at: at(50), initiator: Initiator::RpLogout }
}

fn replace(if_revision: Option<u64>) -> Command {
    let session_metadata = metadata(&[("org_id", "org_2")]);
    Command::ReplaceMetadata {
        sid: "s-1".parse().unwrap(),
        session_metadata,
        precondition: if_revision.map_or(Precondition::None, |it| Precondition::Revision(vec![it])),
    }
}

fn revoke(target: Target) -> Command {
    Command::Revoke { target, precondition: Precondition::None }
}

fn expire(session: &Session) -> Command {
    Command::Expire(vec![(session.sid.clone(), session.key)])
}

#[test]
fn metadata_is_replaced_whole_if_the_session_is_as_it_was_read() {
    for if_revision in [None, Some(1)] {
        let plan =
            World::new([]).with_session(session(&["shop"]), &[]).execute(&replace(if_revision)).unwrap();
        let [changed] = plan.sessions.as_slice() else { panic!("one session changes") };
        assert_eq!(changed.session_metadata, metadata(&[("org_id", "org_2")]));
        assert_eq!((changed.revision, changed.updated_at), (2, at(100)));
        assert!(plan.deliveries.is_empty());
    }
    let refused = World::new([]).with_session(session(&[]), &[]).execute(&replace(Some(7))).unwrap_err();
    assert_eq!(refused, CommandRefusal::Revision);
}

#[test]
fn a_session_is_revoked_only_if_it_is_as_it_was_read() {
    let revoke = |precondition| {
        let target = Target::Session { sid: "s-1".parse().unwrap(), sub: None };
        Command::Revoke { target, precondition }
    };
    let over = || Session { ended: Some(ended()), ..session(&["shop"]) };
    for precondition in [Precondition::None, Precondition::Lives, Precondition::Revision(vec![7, 1])] {
        let world = World::new([client("shop")]).with_session(session(&["shop"]), &[]);
        assert_eq!(recipients(&world.execute(&revoke(precondition)).unwrap()), ["shop"]);
    }
    for (session, precondition) in [
        (session(&["shop"]), Precondition::Revision(vec![7])),
        (session(&["shop"]), Precondition::Revision(vec![])),
        (over(), Precondition::Lives),
        (over(), Precondition::Revision(vec![1])),
    ] {
        let world = World::new([client("shop")]).with_session(session, &[]);
        assert_eq!(world.execute(&revoke(precondition)).unwrap_err(), CommandRefusal::Revision);
    }
    let unknown = World::new([]).execute(&revoke(Precondition::Revision(vec![1]))).unwrap_err();
    assert_eq!(unknown, Refusal::UnknownSession.into());
}

#[test]
fn only_a_live_session_can_be_changed_but_any_known_one_can_be_ended() {
    let over = || Session { ended: Some(ended()), ..session(&["shop"]) };
    let refused = World::new([]).with_session(over(), &[]).execute(&replace(None)).unwrap_err();
    assert_eq!(refused, Refusal::SessionEnded.into());
    assert_eq!(World::new([]).execute(&replace(None)).unwrap_err(), Refusal::UnknownSession.into());

    let revoke = revoke(Target::Session { sid: "s-1".parse().unwrap(), sub: None });
    let plan = World::new([client("shop")]).with_session(session(&["shop"]), &[]).execute(&revoke).unwrap();
    assert_eq!(recipients(&plan), ["shop"]);
    assert_eq!(plan.sessions[0].ended, Some(Ended { at: at(100), initiator: Initiator::SessionRevoked }));
    // An earlier end keeps its initiator, and makes no second delivery.
    let plan = World::new([client("shop")]).with_session(over(), &["shop"]).execute(&revoke).unwrap();
    assert_eq!((recipients(&plan), plan.sessions[0].ended), (vec![], Some(ended())));
    assert_eq!(World::new([]).execute(&revoke).unwrap_err(), Refusal::UnknownSession.into());
}

#[test]
fn an_unreachable_client_does_not_keep_a_session_alive() {
    // It takes only tokens with a sub of its own, and there is no salt to compute one with.
    let mute = || Client {
        subject_type: SubjectType::Pairwise,
        token: TokenOptions { subject: TokenSubject::Sub, ..TokenOptions::default() },
        ..client("mute")
    };
    let session = || Session { expires_at: Some(at(100)), ..session(&["mute", "shop"]) };
    let target = Target::Session { sid: "s-1".parse().unwrap(), sub: None };
    for command in [expire(&session()), revoke(target)] {
        let world = World::new([mute(), client("shop")]).with_session(session(), &[]);
        let plan = world.execute(&command).unwrap();
        assert_eq!(recipients(&plan), ["shop"]);
        assert_eq!(plan.unreachable, BTreeSet::from([client_id("mute")]));
        assert!(plan.sessions[0].ended.is_some());
    }
    // An event of a source is refused instead.
    let world = World::new([mute(), client("shop")]).with_session(session(), &[]);
    let refused = world.plan(EventBody::Terminated(terminated(Some("s-1"), None))).unwrap_err();
    assert_eq!(refused, Refusal::NoIdentifier { client_id: client_id("mute"), needs: Identifier::Sub });
}

#[test]
fn every_session_of_a_user_is_revoked() {
    let second =
        Session { key: SessionKey(Uuid::from_u128(8)), sid: "s-2".parse().unwrap(), ..session(&["shop"]) };
    let world = World::new([client("shop")]).with_session(session(&["shop"]), &[]).with_session(second, &[]);
    let plan = world.execute(&revoke(Target::Subject(sub("alice")))).unwrap();
    assert_eq!(recipients(&plan), ["shop", "shop"]);
    assert_eq!(plan.sids.len(), 2);
    // The end of an unknown user is stored: it covers a session that is reported late.
    let unknown = World::new([]).execute(&revoke(Target::Subject(sub("nobody")))).unwrap();
    assert_eq!(unknown.subject_end.map(|end| end.ended.at), Some(at(100)));
}

#[test]
fn a_session_expires_when_its_time_has_come_and_not_otherwise() {
    let due = || Session { expires_at: Some(at(100)), ..session(&["shop"]) };
    let plan = World::new([client("shop")]).with_session(due(), &[]).execute(&expire(&due())).unwrap();
    assert_eq!(recipients(&plan), ["shop"]);
    assert_eq!(plan.deliveries[0].initiator, Initiator::SessionExpired);
    assert_eq!(plan.sessions[0].ended, Some(Ended { at: at(100), initiator: Initiator::SessionExpired }));

    // Since it was seen to have expired it was prolonged, began anew, or ended.
    for since in [
        Session { expires_at: Some(at(101)), ..due() },
        Session { expires_at: None, ..due() },
        Session { key: SessionKey(Uuid::from_u128(8)), ..due() },
        Session { ended: Some(ended()), ..due() },
    ] {
        let plan =
            World::new([client("shop")]).with_session(since.clone(), &[]).execute(&expire(&due())).unwrap();
        assert_eq!(plan, Plan::default(), "{since:?}");
    }
    assert_eq!(World::new([]).execute(&expire(&due())).unwrap(), Plan::default());
    let idle = Session { idle_expires_at: Some(at(99)), expires_at: Some(at(500)), ..session(&[]) };
    let plan = World::new([]).with_session(idle.clone(), &[]).execute(&expire(&idle)).unwrap();
    assert!(plan.sessions[0].ended.is_some());
}

#[test]
fn a_reported_lifetime_overrides_the_configured_one() {
    let world = || {
        let lifetimes =
            Lifetimes { absolute: Some(Duration::from_secs(1_000)), idle: Some(Duration::from_mins(1)) };
        World { lifetimes, ..World::new([client("shop")]) }
    };
    let lifetime = |plan: Plan| (plan.sessions[0].idle_expires_at, plan.sessions[0].expires_at);

    let plan = world().at(40).plan(EventBody::Created(created("s-1", &[]))).unwrap();
    assert_eq!(lifetime(plan), (Some(at(100)), Some(at(1_040))));
    let said =
        SessionCreated { idle_expires_at: Some(at(41)), expires_at: Some(at(42)), ..created("s-1", &[]) };
    assert_eq!(
        lifetime(world().at(40).plan(EventBody::Created(said)).unwrap()),
        (Some(at(41)), Some(at(42)))
    );

    // A sign of life prolongs the one and not the other; an older report shortens nothing.
    let known = || Session { idle_expires_at: Some(at(120)), expires_at: Some(at(1_000)), ..session(&[]) };
    let added = || {
        let (sid, client_id) = ("s-1".parse().unwrap(), client_id("shop"));
        EventBody::ClientAdded(ClientAdded { sid, client_id, sub: None })
    };
    for (second, idle) in [(90, 150), (10, 120)] {
        let plan = world().with_session(known(), &[]).at(second).plan(added()).unwrap();
        assert_eq!(lifetime(plan), (Some(at(idle)), Some(at(1_000))));
    }
    let shortened = EventBody::Updated(SessionUpdated {
        sid: "s-1".parse().unwrap(),
        session_metadata: None,
        idle_expires_at: Some(at(101)),
        expires_at: Some(at(102)),
        details: SessionDetails::default(),
    });
    let plan = world().with_session(known(), &[]).plan(shortened).unwrap();
    assert_eq!(lifetime(plan), (Some(at(101)), Some(at(102))));
    // What an operator does to its metadata is no sign of its life.
    let plan = world().with_session(known(), &[]).execute(&replace(None)).unwrap();
    assert_eq!(lifetime(plan), (Some(at(120)), Some(at(1_000))));
}

proptest! {
    #[test]
    fn a_session_ends_at_the_earlier_of_its_times_and_signs_of_life_never_shorten_it(
        idle in prop::option::of(1_u64..1_000),
        absolute in prop::option::of(1_u64..1_000),
        signs in prop::collection::vec(0_i64..500, 1..8),
    ) {
        let lifetimes =
            Lifetimes { idle: idle.map(Duration::from_secs), absolute: absolute.map(Duration::from_secs) };
        let mut session = session(&[]);
        let mut before = None;
        for sign in &signs {
            lifetimes.renew(&mut session, at(*sign), None);
            prop_assert!(session.idle_expires_at >= before);
            before = session.idle_expires_at;
        }
        let last = *signs.iter().max().unwrap();
        let expected_idle = idle.map(|idle| at(last + i64::try_from(idle).unwrap()));
        // It began at second 0.
        let expected_end = absolute.map(|absolute| at(i64::try_from(absolute).unwrap()));
        prop_assert_eq!((session.idle_expires_at, session.expires_at), (expected_idle, expected_end));
        prop_assert_eq!(session.ends_at(), expected_idle.into_iter().chain(expected_end).min());
    }
}
