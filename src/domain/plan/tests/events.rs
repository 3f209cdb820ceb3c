//! What each kind of event leads to.

use std::collections::BTreeSet;

use super::world::*;
use crate::domain::client::{SubjectLogout, SubjectType, TokenOptions};
use crate::domain::event::{ClientAdded, SessionCreated, SessionTerminated, SessionUpdated};
use crate::domain::metadata::MetadataChoice;
use crate::domain::pairwise::{Pairwise, PairwiseFormat};
use crate::domain::session_details::SessionDetails;

#[test]
fn a_termination_sends_every_participant_the_metadata_it_chose() {
    let shop = Client { session_metadata: MetadataChoice::All, ..client("shop") };
    let blog = Client {
        session_metadata: MetadataChoice::Keys(BTreeSet::from(["org_id".into()])),
        ..client("blog")
    };
    let world =
        World::new([shop, blog, client("wiki")]).with_session(session(&["shop", "blog", "wiki"]), &[]);
    let plan = world.plan(EventBody::Terminated(terminated(Some("s-1"), None))).unwrap();

    assert_eq!(recipients(&plan), ["blog", "shop", "wiki"]);
    let seen: Vec<Vec<&str>> = plan
        .deliveries
        .iter()
        .map(|it| it.session_metadata.entries().keys().map(String::as_str).collect())
        .collect();
    assert_eq!(seen, [vec!["org_id"], vec!["device", "org_id"], vec![]]);
    assert!(plan.deliveries.iter().all(|it| it.sub == Some(sub("alice")) && it.expires_at == at(100 + 3600)));
    assert_eq!(plan.sessions[0].ended, Some(Ended { at: at(100), initiator: Initiator::RpLogout }));
}

#[test]
fn initiators_subscription_and_exclusion_keep_clients_out() {
    let picky = Client { initiators: Initiators::default(), ..client("picky") };
    let silent = Client { backchannel_logout_uri: None, ..client("silent") };
    let world = World::new([picky, silent, client("left"), client("shop")])
        .with_session(session(&["picky", "silent", "left", "shop", "removed"]), &[]);
    let event = SessionTerminated {
        initiator: Initiator::SessionRevoked,
        exclude_clients: BTreeSet::from([client_id("left")]),
        ..terminated(Some("s-1"), None)
    };
    assert_eq!(recipients(&world.plan(EventBody::Terminated(event)).unwrap()), ["shop"]);
}

#[test]
fn an_unknown_session_needs_clients() {
    let refused = World::new([client("shop")]).plan(EventBody::Terminated(terminated(Some("s-9"), None)));
    assert_eq!(refused.unwrap_err(), Refusal::UnknownSession);

    let event = SessionTerminated {
        clients: named(&["shop"]),
        session_metadata: metadata(&[("k", "v")]),
        ..terminated(Some("s-9"), None)
    };
    let shop = Client { session_metadata: MetadataChoice::All, ..client("shop") };
    let plan = World::new([shop]).plan(EventBody::Terminated(event)).unwrap();
    assert_eq!(recipients(&plan), ["shop"]);
    assert_eq!(plan.deliveries[0].sub, None);
    assert_eq!(plan.deliveries[0].session_metadata, metadata(&[("k", "v")]));
}

#[test]
fn unregistered_clients_are_refused_by_field() {
    let unknown = |field| Refusal::UnknownClient { field, client_id: client_id("nobody") };
    let world = || World::new([client("shop")]).with_session(session(&["shop"]), &[]);

    let event = SessionTerminated { clients: named(&["shop", "nobody"]), ..terminated(Some("s-1"), None) };
    assert_eq!(world().plan(EventBody::Terminated(event)).unwrap_err(), unknown(Field::Clients));

    let event = SessionTerminated {
        exclude_clients: BTreeSet::from([client_id("nobody")]),
        ..terminated(Some("s-1"), None)
    };
    assert_eq!(world().plan(EventBody::Terminated(event)).unwrap_err(), unknown(Field::ExcludeClients));

    let event = created("s-2", &["nobody"]);
    assert_eq!(world().plan(EventBody::Created(event)).unwrap_err(), unknown(Field::Clients));

    let event = ClientAdded { sid: "s-1".parse().unwrap(), client_id: client_id("nobody"), sub: None };
    assert_eq!(world().plan(EventBody::ClientAdded(event)).unwrap_err(), unknown(Field::ClientId));
}

#[test]
fn a_second_termination_delivers_only_to_new_participants() {
    let ended = Session {
        ended: Some(Ended { at: at(50), initiator: Initiator::SessionExpired }),
        ..session(&["shop"])
    };
    let world = World::new([client("shop"), client("blog")]).with_session(ended, &["shop"]);
    let event = SessionTerminated { clients: named(&["shop", "blog"]), ..terminated(Some("s-1"), None) };
    let plan = world.plan(EventBody::Terminated(event)).unwrap();

    assert_eq!(recipients(&plan), ["blog"]);
    assert_eq!(plan.deliveries[0].initiator, Initiator::SessionExpired);
    assert_eq!(plan.existing.len(), 1);
    assert_eq!(plan.sessions[0].ended.unwrap().at, at(50));
}

#[test]
fn a_client_that_joins_an_ended_session_gets_a_delivery_at_once() {
    let ended =
        Session { ended: Some(Ended { at: at(50), initiator: Initiator::RpLogout }), ..session(&["shop"]) };
    let world = World::new([client("shop"), client("blog")]).with_session(ended, &["shop"]);
    let event =
        ClientAdded { sid: "s-1".parse().unwrap(), client_id: client_id("blog"), sub: Some(sub("pairwise")) };
    let plan = world.plan(EventBody::ClientAdded(event)).unwrap();
    assert_eq!(recipients(&plan), ["blog"]);
    assert_eq!(plan.deliveries[0].sub, Some(sub("pairwise")));
}

#[test]
fn a_late_report_does_not_revive_a_session_but_a_new_one_may_take_its_sid() {
    let ended = || Session {
        ended: Some(Ended { at: at(50), initiator: Initiator::RpLogout }),
        ..session(&["shop"])
    };
    let world = || World::new([client("shop"), client("blog")]).with_session(ended(), &["shop"]);

    let late = world().at(49).plan(EventBody::Created(created("s-1", &["blog"]))).unwrap();
    assert!(late.sessions[0].ended.is_some());
    assert_eq!(recipients(&late), ["blog"]);

    let new = world().at(51).plan(EventBody::Created(created("s-1", &["blog"]))).unwrap();
    assert!(new.sessions[0].ended.is_none());
    assert_ne!(new.sessions[0].key, ended().key);
    assert!(new.deliveries.is_empty() && new.existing.is_empty());
}

#[test]
fn a_subject_termination_ends_each_session() {
    let second =
        Session { key: SessionKey(Uuid::from_u128(8)), sid: "s-2".parse().unwrap(), ..session(&["shop"]) };
    let sid_only = Client { backchannel_logout_session_required: true, ..client("strict") };
    let world = World::new([client("shop"), client("blog"), sid_only])
        .with_session(session(&["shop"]), &[])
        .with_session(second, &[]);
    let event = SessionTerminated { clients: named(&["blog", "strict"]), ..terminated(None, Some("alice")) };
    let plan = world.plan(EventBody::Terminated(event)).unwrap();

    // `blog` takes part in no session and gets one token; `strict` takes only a `sid` and gets one for each session.
    let made: Vec<_> =
        plan.deliveries.iter().map(|it| (it.client_id.as_str(), it.sid.as_ref().map(Sid::as_str))).collect();
    assert_eq!(
        made,
        [
            ("shop", Some("s-1")),
            ("strict", Some("s-1")),
            ("shop", Some("s-2")),
            ("strict", Some("s-2")),
            ("blog", None)
        ]
    );
    assert!(plan.sessions.iter().all(|it| it.ended.is_some()));
}

#[test]
fn a_client_may_choose_one_token_for_all_sessions_of_a_user() {
    let second = Session {
        key: SessionKey(Uuid::from_u128(8)),
        sid: "s-2".parse().unwrap(),
        ..session(&["once", "shop"])
    };
    let once = Client { subject_logout: SubjectLogout::Sub, ..client("once") };
    let world = || {
        World::new([client("shop"), once.clone()])
            .with_session(session(&["once", "shop"]), &[])
            .with_session(second.clone(), &[])
    };
    let event = || EventBody::Terminated(terminated(None, Some("alice")));
    let by_client = |plan: &Plan| -> Vec<(String, Option<String>)> {
        let text = |it: &Intent| (it.client_id.to_string(), it.sid.as_ref().map(ToString::to_string));
        plan.deliveries.iter().map(text).collect()
    };
    let named = |id: &str, sid: Option<&str>| (id.to_owned(), sid.map(str::to_owned));

    let plan = world().plan(event()).unwrap();
    assert_eq!(
        by_client(&plan),
        [named("once", None), named("shop", Some("s-1")), named("shop", Some("s-2"))]
    );
    assert_eq!(plan.deliveries[0].sub, Some(sub("alice")));
    assert!(plan.deliveries[0].session_metadata.is_empty());
    assert!(plan.sessions.iter().all(|it| it.decided.contains(&client_id("once"))));

    // The end of one session makes deliveries for that session.
    let plan = world().plan(EventBody::Terminated(terminated(Some("s-1"), None)));
    assert_eq!(by_client(&plan.unwrap()), [named("once", Some("s-1")), named("shop", Some("s-1"))]);

    // A pending delivery covers these sessions too.
    let delivery = DeliverySummary {
        id: DeliveryId(Uuid::from_u128(77)),
        client_id: client_id("once"),
        state: State::Pending,
    };
    let mut coalesced = world();
    coalesced.waiting.insert(sub("alice"), delivery.clone());
    let plan = coalesced.plan(event()).unwrap();
    assert_eq!(recipients(&plan), ["shop", "shop"]);
    assert_eq!(plan.existing, [delivery]);
    // The pending delivery is renewed for this end.
    let [renewed] = plan.renewed.as_slice() else { panic!("{plan:?}") };
    assert_eq!((renewed.initiator, renewed.expires_at), (Initiator::RpLogout, at(100 + 3600)));

    // Reported again, it makes no second delivery.
    let ended = plan.sessions[0].clone();
    let plan = world_of(ended, once).plan(EventBody::Terminated(terminated(Some("s-1"), None))).unwrap();
    assert_eq!(recipients(&plan), Vec::<&str>::new());
}

fn world_of(session: Session, once: Client) -> World {
    World::new([client("shop"), once]).with_session(session, &["shop"])
}

#[test]
fn an_unknown_subject_is_refused_and_one_without_live_sessions_is_not() {
    let event = || EventBody::Terminated(terminated(None, Some("alice")));
    assert_eq!(World::new([]).plan(event()).unwrap_err(), Refusal::UnknownSubject);
    let known = World { subject_known: true, ..World::new([]) };
    let plan = known.plan(event()).unwrap();
    assert_eq!((plan.sessions.len(), plan.deliveries.len()), (0, 0));
    assert_eq!(plan.subject_end.map(|end| end.sub), Some(sub("alice")));
}

#[test]
fn a_client_that_is_named_and_excluded_gets_no_delivery_and_causes_no_refusal() {
    let strict = Client { backchannel_logout_session_required: true, ..client("strict") };
    let picky = Client { initiators: Initiators::default(), ..strict.clone() };
    let revoked = |exclude: &[&str]| SessionTerminated {
        initiator: Initiator::SessionRevoked,
        clients: named(&["strict", "shop"]),
        exclude_clients: exclude.iter().map(|id| client_id(id)).collect(),
        ..terminated(None, Some("alice"))
    };
    for (strict, exclude, expected) in
        [(strict, &["strict"][..], &["shop"][..]), (picky.clone(), &[], &["shop"]), (picky, &["shop"], &[])]
    {
        // Nothing is known of the user, so there is no sid for a client that needs one.
        let world = World::new([strict, client("shop")]);
        assert_eq!(recipients(&world.plan(EventBody::Terminated(revoked(exclude))).unwrap()), expected);
    }
}

#[test]
fn a_client_whose_identifier_is_unknown_is_refused() {
    let strict = Client { backchannel_logout_session_required: true, ..client("strict") };
    let event = SessionTerminated { clients: named(&["strict"]), ..terminated(None, Some("alice")) };
    let refused = World::new([strict]).plan(EventBody::Terminated(event)).unwrap_err();
    assert_eq!(refused, Refusal::NoIdentifier { client_id: client_id("strict"), needs: Identifier::Sid });

    let by_sub = Client {
        token: TokenOptions { subject: TokenSubject::Sub, ..TokenOptions::default() },
        ..client("by-sub")
    };
    let event = SessionTerminated { clients: named(&["by-sub"]), ..terminated(Some("s-9"), None) };
    let refused = World::new([by_sub]).plan(EventBody::Terminated(event)).unwrap_err();
    assert_eq!(refused, Refusal::NoIdentifier { client_id: client_id("by-sub"), needs: Identifier::Sub });
}

#[test]
fn a_session_of_another_subject_is_not_changed() {
    let world = || World::new([client("shop")]).with_session(session(&["shop"]), &[]);
    let event = EventBody::Terminated(terminated(Some("s-1"), Some("mallory")));
    assert_eq!(world().plan(event).unwrap_err(), Refusal::SubMismatch);
    let event = SessionCreated { sub: sub("mallory"), ..created("s-1", &[]) };
    assert_eq!(world().plan(EventBody::Created(event)).unwrap_err(), Refusal::SubMismatch);
}

#[test]
fn only_browser_sessions_carry_metadata() {
    let event = SessionCreated {
        flow: Flow::NativePasskey,
        session_metadata: metadata(&[("k", "v")]),
        ..created("s-1", &[])
    };
    let refused = World::new([]).plan(EventBody::Created(event)).unwrap_err();
    assert_eq!(refused, Refusal::MetadataFlow(Flow::NativePasskey));

    let native = Session { flow: Flow::NativeSocial, session_metadata: metadata(&[]), ..session(&["shop"]) };
    let event = SessionUpdated {
        sid: "s-1".parse().unwrap(),
        session_metadata: Some(metadata(&[("k", "v")])),
        idle_expires_at: None,
        expires_at: None,
        details: SessionDetails::default(),
    };
    let refused =
        World::new([client("shop")]).with_session(native, &[]).plan(EventBody::Updated(event)).unwrap_err();
    assert_eq!(refused, Refusal::MetadataFlow(Flow::NativeSocial));
}

#[test]
fn an_update_replaces_metadata_whole_and_needs_a_live_session() {
    let event = || {
        EventBody::Updated(SessionUpdated {
            sid: "s-1".parse().unwrap(),
            session_metadata: Some(metadata(&[("new", "1")])),
            idle_expires_at: None,
            expires_at: Some(at(500)),
            details: SessionDetails::default(),
        })
    };
    let plan = World::new([]).with_session(session(&[]), &[]).plan(event()).unwrap();
    assert_eq!(plan.sessions[0].session_metadata, metadata(&[("new", "1")]));
    assert_eq!(plan.sessions[0].expires_at, Some(at(500)));

    assert_eq!(World::new([]).plan(event()).unwrap_err(), Refusal::UnknownSession);
    let ended = Session { ended: Some(Ended { at: at(1), initiator: Initiator::RpLogout }), ..session(&[]) };
    assert_eq!(World::new([]).with_session(ended, &[]).plan(event()).unwrap_err(), Refusal::SessionEnded);
}

/// A pairwise client, and its own `sub` for alice.
fn pairwise() -> (Client, Subjects, Sub) {
    let client = Client { subject_type: SubjectType::Pairwise, ..client("own") };
    let subjects = Subjects::new(Some(Pairwise::new(PairwiseFormat::Hex, "salt".into())));
    let own = subjects.sub_for(&client, None, Some(&sub("alice"))).unwrap();
    (client, subjects, own.sub)
}

#[test]
fn a_pairwise_client_gets_its_own_sub() {
    let (own, subjects, computed) = pairwise();
    let world =
        World { subjects, ..World::new([own, client("shop")]) }.with_session(session(&["own", "shop"]), &[]);
    let plan = world.plan(EventBody::Terminated(terminated(Some("s-1"), None))).unwrap();
    let subs: Vec<_> = plan.deliveries.iter().map(|it| (it.sub.clone().unwrap(), it.sub_is_public)).collect();
    assert_eq!(subs, [(computed, false), (sub("alice"), true)]);
}

#[test]
fn a_pairwise_client_whose_sub_is_unknown_gets_the_sid_alone() {
    let (own, subjects, _) = pairwise();
    // No salt; or no public sub to compute from.
    let without_salt = World::new([own.clone()]).with_session(session(&["own"]), &[]);
    let plan = without_salt.plan(EventBody::Terminated(terminated(Some("s-1"), Some("alice")))).unwrap();
    assert_eq!((recipients(&plan), &plan.deliveries[0].sub), (vec!["own"], &None));
    let event = SessionTerminated { clients: named(&["own"]), ..terminated(Some("s-9"), None) };
    let plan = World { subjects, ..World::new([own.clone()]) }.plan(EventBody::Terminated(event)).unwrap();
    assert_eq!((recipients(&plan), &plan.deliveries[0].sub), (vec!["own"], &None));

    // It chose one token for all sessions, and gets one for each instead.
    let once = Client { subject_logout: SubjectLogout::Sub, ..own.clone() };
    let world = World::new([once]).with_session(session(&["own"]), &[]);
    let plan = world.plan(EventBody::Terminated(terminated(None, Some("alice")))).unwrap();
    assert_eq!(plan.deliveries.len(), 1);
    assert_eq!((plan.deliveries[0].sid.is_some(), &plan.deliveries[0].sub), (true, &None));

    // Without a session either, its token would have no identifier.
    let event = SessionTerminated { clients: named(&["own"]), ..terminated(None, Some("alice")) };
    let refused = World::new([own]).plan(EventBody::Terminated(event)).unwrap_err();
    assert_eq!(refused, Refusal::NoIdentifier { client_id: client_id("own"), needs: Identifier::Sub });
}

#[test]
fn tokens_about_a_user_are_one_for_each_client_and_its_sub() {
    let (own, _, computed) = pairwise();
    let once = Client { subject_logout: SubjectLogout::Sub, ..own };
    let second =
        Session { key: SessionKey(Uuid::from_u128(8)), sid: "s-2".parse().unwrap(), ..session(&["own"]) };
    let delivery = DeliverySummary {
        id: DeliveryId(Uuid::from_u128(77)),
        client_id: client_id("own"),
        state: State::Pending,
    };
    // A pending delivery with the public sub is from before the client became pairwise: it does not count.
    for (waiting, expected) in [(None, 1), (Some(sub("alice")), 1), (Some(computed.clone()), 0)] {
        let (_, subjects, _) = pairwise();
        let mut world = World { subjects, ..World::new([once.clone()]) };
        if let Some(sub) = waiting {
            world.waiting.insert(sub, delivery.clone());
        }
        let world = world.with_session(session(&["own"]), &[]).with_session(second.clone(), &[]);
        let plan = world.plan(EventBody::Terminated(terminated(None, Some("alice")))).unwrap();
        assert_eq!(plan.deliveries.len(), expected);
        assert!(plan.deliveries.iter().all(|it| it.sub.as_ref() == Some(&computed) && it.sid.is_none()));
    }

    // A client beside the participants, with and without a sub named for it.
    for (named, expected) in [(None, computed), (Some(sub("p-1")), sub("p-1"))] {
        let event = SessionTerminated {
            clients: BTreeMap::from([(client_id("own"), named)]),
            ..terminated(None, Some("alice"))
        };
        let (_, subjects, _) = pairwise();
        let plan =
            World { subjects, ..World::new([once.clone()]) }.plan(EventBody::Terminated(event)).unwrap();
        assert_eq!(plan.deliveries[0].sub, Some(expected));
    }
}
