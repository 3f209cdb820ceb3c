//! Which report of a member counts, and when a session ends.

use super::*;
use crate::domain::session_details::{CookieMode, Device};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// One that began at second 50, and of which nothing else was told.
fn bare() -> Session {
    let session = Session::new(SessionKey(Uuid::nil()), "s-1".parse().unwrap(), at(50));
    Session {
        participants: BTreeMap::from([("shop".parse().unwrap(), Some("alice".parse().unwrap()))]),
        ..session
    }
}

/// One that has everything since it began.
fn session_with_all() -> Session {
    Session {
        session_metadata: BTreeMap::from([("k".to_owned(), "v".to_owned())]).try_into().unwrap(),
        details: SessionDetails {
            device: Some(Device::default()),
            authentication: Some(Vec::new()),
            last_interacted_at: Some(at(50)),
            cookie: Some(CookieMode::Persistent),
        },
        authenticated_at: Some(at(50)),
        idle_expires_at: Some(at(100)),
        expires_at: Some(at(200)),
        ..bare()
    }
}

#[test]
fn a_member_is_as_new_as_the_report_that_set_it() {
    for member in Member::ALL {
        let mut session = session_with_all();
        assert!(!session.is_newest(member, at(49)), "{member:?} was set when it began");
        assert!(session.is_newest(member, at(50)) && session.reported.is_empty(), "{member:?}");
        assert!(session.is_newest(member, at(60)), "{member:?}");
        assert_eq!(session.reported, BTreeMap::from([(member, at(60))]));
        assert!(!session.is_newest(member, at(59)), "{member:?}");
        assert!(session.is_newest(member, at(60)), "of two the one that came in later, {member:?}");
        // What was never told is set by any report.
        assert!(bare().is_newest(member, at(49)), "{member:?}");
    }
}

#[test]
fn so_is_the_sub_of_a_clients_own() {
    let shop: ClientId = "shop".parse().unwrap();
    let mut session = session_with_all();
    assert!(!session.is_newest_sub(&shop, at(49)));
    assert!(session.is_newest_sub(&shop, at(50)) && session.own_subs_reported.is_empty());
    assert!(session.is_newest_sub(&shop, at(60)));
    assert_eq!(session.own_subs_reported, BTreeMap::from([(shop.clone(), at(60))]));
    assert!(!session.is_newest_sub(&shop, at(59)));
    assert!(session.is_newest_sub(&shop, at(60)));
    assert!(session.is_newest_sub(&"blog".parse().unwrap(), at(1)), "none was told");
}

#[test]
fn an_earlier_beginning_leaves_what_was_reported_its_times() {
    let mut session = session_with_all();
    session.began_earlier(at(50));
    assert!(session.reported.is_empty());
    session.began_earlier(at(40));
    assert_eq!(session.created_at, at(40));
    assert_eq!(session.reported, Member::ALL.into_iter().map(|it| (it, at(50))).collect());
    assert_eq!(session.own_subs_reported, BTreeMap::from([("shop".parse().unwrap(), at(50))]));
    let mut bare = bare();
    bare.began_earlier(at(40));
    assert!(bare.reported.is_empty());
}

#[test]
fn details_that_are_told_replace_older_ones_each_by_itself() {
    let told = SessionDetails { cookie: Some(CookieMode::NonPersistent), ..SessionDetails::default() };
    let mut session = session_with_all();
    session.set_details(&told, at(49));
    assert!(session.details.cookie == Some(CookieMode::Persistent));
    session.set_details(&told, at(60));
    assert!(session.details.cookie == Some(CookieMode::NonPersistent));
    assert!(session.details.device.is_some() && session.details.authentication.is_some());
    assert_eq!(session.details.last_interacted_at, Some(at(50)));
    assert_eq!(session.reported, BTreeMap::from([(Member::Cookie, at(60))]));

    let all = session_with_all().details;
    let mut bare = bare();
    bare.set_details(&all, at(60));
    assert!(bare.details == all);
    let (mut kept, mut others) = (session_with_all(), all);
    others.cookie = Some(CookieMode::NonPersistent);
    others.last_interacted_at = Some(at(60));
    kept.set_details(&others, at(49));
    assert!(kept.details == session_with_all().details);
}

#[test]
fn the_last_report_is_the_newest_of_any_of_it() {
    let mut session = session_with_all();
    assert_eq!(session.last_reported_at(), at(50));
    session.is_newest_sub(&"shop".parse().unwrap(), at(60));
    assert_eq!(session.last_reported_at(), at(60));
    session.is_newest(Member::Cookie, at(70));
    assert_eq!(session.last_reported_at(), at(70));
}

#[test]
fn a_session_ends_at_the_first_of_its_times() {
    assert_eq!(session_with_all().ends_at(), Some(at(100)));
    assert_eq!(Session { idle_expires_at: None, ..session_with_all() }.ends_at(), Some(at(200)));
    assert_eq!(bare().ends_at(), None);
    assert_eq!(session_with_all().last_ended_at(), None);
    let ended =
        Session { ended: Some(Ended { at: at(70), initiator: Initiator::RpLogout }), ..session_with_all() };
    assert_eq!(ended.last_ended_at(), Some(at(70)));
    assert_eq!(Session { ended_again_at: Some(at(80)), ..ended }.last_ended_at(), Some(at(80)));
}

#[test]
fn ends_are_numbered_one_after_the_other() {
    assert_eq!(EndNumber(7).next(), EndNumber(8));
}
