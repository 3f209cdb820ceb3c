//! The order of reports, and when a session ends.

use super::*;
use crate::domain::session_details::{CookieMode, Device};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A session created at second 50, without any details.
fn bare() -> Session {
    let session = Session::new(SessionKey(Uuid::nil()), "s-1".parse().unwrap(), at(50));
    Session {
        participants: BTreeMap::from([("shop".parse().unwrap(), Some("alice".parse().unwrap()))]),
        ..session
    }
}

/// A session whose members were all set when it was created.
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
fn a_report_older_than_the_recorded_one_is_not_accepted() {
    for member in Member::ALL {
        let mut session = session_with_all();
        assert!(!session.accept_report(member, at(49)), "{member:?} was set at creation");
        assert!(session.accept_report(member, at(50)) && session.reported.is_empty(), "{member:?}");
        assert!(session.accept_report(member, at(60)), "{member:?}");
        assert_eq!(session.reported, BTreeMap::from([(member, at(60))]));
        assert!(!session.accept_report(member, at(59)), "{member:?}");
        assert!(session.accept_report(member, at(60)), "of equal times the later one wins, {member:?}");
        // A member without a value accepts any report.
        assert!(bare().accept_report(member, at(49)), "{member:?}");
    }
}

#[test]
fn an_older_report_of_a_client_specific_sub_is_not_accepted() {
    let shop: ClientId = "shop".parse().unwrap();
    let mut session = session_with_all();
    assert!(!session.accept_sub_report(&shop, at(49)));
    assert!(session.accept_sub_report(&shop, at(50)) && session.own_subs_reported.is_empty());
    assert!(session.accept_sub_report(&shop, at(60)));
    assert_eq!(session.own_subs_reported, BTreeMap::from([(shop.clone(), at(60))]));
    assert!(!session.accept_sub_report(&shop, at(59)));
    assert!(session.accept_sub_report(&shop, at(60)));
    assert!(session.accept_sub_report(&"blog".parse().unwrap(), at(1)), "none was reported");
}

#[test]
fn an_earlier_start_keeps_the_times_of_reports() {
    let mut session = session_with_all();
    session.set_earlier_start(at(50));
    assert!(session.reported.is_empty());
    session.set_earlier_start(at(40));
    assert_eq!(session.created_at, at(40));
    assert_eq!(session.reported, Member::ALL.into_iter().map(|it| (it, at(50))).collect());
    assert_eq!(session.own_subs_reported, BTreeMap::from([("shop".parse().unwrap(), at(50))]));
    let mut bare = bare();
    bare.set_earlier_start(at(40));
    assert!(bare.reported.is_empty());
}

#[test]
fn each_reported_detail_replaces_an_older_one() {
    let cookie = SessionDetails { cookie: Some(CookieMode::NonPersistent), ..SessionDetails::default() };
    let mut session = session_with_all();
    session.set_details(&cookie, at(49));
    assert!(session.details.cookie == Some(CookieMode::Persistent));
    session.set_details(&cookie, at(60));
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
fn the_last_report_is_the_newest_of_all_members_and_subs() {
    let mut session = session_with_all();
    assert_eq!(session.last_reported_at(), at(50));
    session.accept_sub_report(&"shop".parse().unwrap(), at(60));
    assert_eq!(session.last_reported_at(), at(60));
    session.accept_report(Member::Cookie, at(70));
    assert_eq!(session.last_reported_at(), at(70));
}

#[test]
fn a_session_expires_at_the_earlier_of_its_expiry_times() {
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
fn end_numbers_are_consecutive() {
    assert_eq!(EndNumber(7).next(), EndNumber(8));
}
