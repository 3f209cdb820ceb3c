//! What is kept of a report, and what a later one changes of it.

use super::world::*;
use crate::domain::client::SubjectLogout;
use crate::domain::event::{SessionCreated, SessionTerminated};
use crate::domain::session_details::SessionDetails;

#[test]
fn a_session_is_what_was_reported_of_it() {
    let details = SessionDetails { last_interacted_at: Some(at(90)), ..SessionDetails::default() };
    let reported = SessionCreated {
        session_metadata: metadata(&[("org_id", "org_2")]),
        authenticated_at: Some(at(80)),
        expires_at: Some(at(1000)),
        details: details.clone(),
        ..created("s-2", &["shop"])
    };
    let world = World { unfinished_end: Some(EndNumber(5)), ..World::new([client("shop")]) };
    let plan = world.at(95).plan(EventBody::Created(reported.clone())).unwrap();
    let began = &plan.sessions[0];
    assert_eq!((&began.sub, began.flow, began.created_at), (&Some(sub("alice")), Flow::Browser, at(95)));
    assert_eq!(began.session_metadata, reported.session_metadata);
    assert_eq!((began.authenticated_at, began.expires_at), (Some(at(80)), Some(at(1000))));
    assert_eq!((&began.participants, began.begun_after), (&named(&["shop"]), Some(EndNumber(5))));
    assert!(began.details == details);
    let native = SessionCreated { flow: Flow::NativePasskey, ..created("s-2", &[]) };
    let plan = World::new([]).plan(EventBody::Created(native)).unwrap();
    assert_eq!(plan.sessions[0].flow, Flow::NativePasskey);

    // Reported again: what is not said stays, and what is said later counts.
    let again = |second, reported: SessionCreated| {
        let known = Session { created_at: at(50), authenticated_at: Some(at(40)), ..session(&["shop"]) };
        let world = World::new([client("shop")]).with_session(known, &[]).at(second);
        let session = world.plan(EventBody::Created(reported)).unwrap().sessions[0].clone();
        (session.session_metadata, session.authenticated_at)
    };
    let before = session(&[]).session_metadata;
    assert_eq!(again(60, created("s-1", &[])), (before.clone(), Some(at(40))));
    let said = SessionCreated { sid: "s-1".parse().unwrap(), ..reported };
    assert_eq!(again(60, said.clone()), (said.session_metadata.clone(), Some(at(80))));
    // It began earlier then, and all that is older than what was said.
    assert_eq!(again(49, said), (before, Some(at(40))));
}

#[test]
fn a_session_that_was_never_reported_is_the_users_that_its_end_names() {
    let event = SessionTerminated { clients: named(&["shop"]), ..terminated(Some("s-9"), Some("bob")) };
    let plan = World::new([client("shop")]).plan(EventBody::Terminated(event)).unwrap();
    assert_eq!(plan.sessions[0].sub, Some(sub("bob")));
    assert_eq!(plan.deliveries[0].sub, Some(sub("bob")));
}

#[test]
fn a_token_about_the_user_is_nothing_for_a_client_that_must_have_a_sid() {
    // The two settings contradict each other and are refused; a client of an older store may have them.
    let strict = Client {
        subject_logout: SubjectLogout::Sub,
        backchannel_logout_session_required: true,
        ..client("strict")
    };
    let world = World::new([strict]).with_session(session(&["strict"]), &[]);
    let refused = world.plan(EventBody::Terminated(terminated(None, Some("alice")))).unwrap_err();
    assert_eq!(refused, Refusal::NoIdentifier { client_id: client_id("strict"), needs: Identifier::Sid });
}
