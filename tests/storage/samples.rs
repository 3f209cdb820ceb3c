//! Sample values.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use logoutd::domain::client::Client;
use logoutd::domain::delivery::{DeliveryFilter, DeliverySummary, Intent, State};
use logoutd::domain::ids::{ClientId, DeliveryId, Sid, Sub};
use logoutd::domain::initiator::Initiator;
use logoutd::domain::metadata::SessionMetadata;
use logoutd::domain::redelivery::{JobId, RedeliveryJob};
use logoutd::domain::session::{EndNumber, Ended, Flow, Member, Session, SessionKey};
use logoutd::domain::session_details::{
    AuthenticationMethod, CookieMode, Device, DeviceSnapshot, SessionDetails,
};
use uuid::Uuid;

pub fn now() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

/// So many seconds after [`now`].
pub fn later(seconds: u64) -> Timestamp {
    now() + Duration::from_secs(seconds)
}

pub fn metadata() -> SessionMetadata {
    BTreeMap::from([("tier".to_owned(), "\"gold\" \\ ünd\n".to_owned())]).try_into().unwrap()
}

/// A subscribed client.
pub fn client(client_id: &ClientId) -> Client {
    let uri = Some("https://rp.example.com/".parse().unwrap());
    Client { backchannel_logout_uri: uri, ..Client::new(client_id.clone()) }
}

/// A delivery to a client, of no session that is stored.
pub fn intent(number: u128, client_id: &ClientId) -> Intent {
    Intent {
        id: DeliveryId(Uuid::from_u128(number)),
        session_key: None,
        sid: Some("s-1".parse().unwrap()),
        sub: None,
        sub_is_public: false,
        client_id: client_id.clone(),
        initiator: Initiator::RpLogout,
        session_metadata: metadata(),
        created_at: now(),
        expires_at: later(3600),
    }
}

pub fn summary(number: u128) -> DeliverySummary {
    DeliverySummary {
        id: DeliveryId(Uuid::from_u128(number)),
        client_id: "shop".parse().unwrap(),
        state: State::Pending,
    }
}

/// A new redelivery job.
pub fn job(id: JobId, filter: DeliveryFilter, until: DeliveryId) -> RedeliveryJob {
    RedeliveryJob {
        id,
        filter,
        until,
        cursor: None,
        first: None,
        counted_to: None,
        matched: 0,
        redelivered: 0,
        skipped: 0,
        created_at: now(),
        completed_at: None,
    }
}

pub fn live_session(sid: &Sid) -> Session {
    let mut session = Session::new(SessionKey(Uuid::from_u128(1)), sid.clone(), now());
    session.sub = Some("alice".parse().unwrap());
    session
}

/// A session that has ended, with every member set.
pub fn session(sid: &Sid) -> Session {
    let own_sub: Sub = "alice-at-shop".parse().unwrap();
    let (shop, blog): (ClientId, ClientId) = ("shop".parse().unwrap(), "blog".parse().unwrap());
    Session {
        flow: Flow::ResourceOwnerPassword,
        session_metadata: metadata(),
        details: details(),
        participants: [(shop.clone(), Some(own_sub)), (blog, None)].into(),
        updated_at: later(1),
        authenticated_at: Some(later(2)),
        idle_expires_at: Some(later(3)),
        expires_at: Some(later(4)),
        revision: 5,
        ended: Some(Ended { at: later(6), initiator: Initiator::SessionRevoked }),
        ended_again_at: Some(later(7)),
        decided: [shop.clone()].into(),
        reported: Member::ALL.into_iter().zip((8..).map(later)).collect(),
        own_subs_reported: [(shop, later(20))].into(),
        begun_after: Some(EndNumber(21)),
        ..live_session(sid)
    }
}

fn details() -> SessionDetails {
    let method = AuthenticationMethod {
        name: "mfa".to_owned().try_into().unwrap(),
        timestamp: Some(later(30)),
        r#type: Some("otp".to_owned().try_into().unwrap()),
    };
    let initial = DeviceSnapshot {
        user_agent: Some("Mozilla/5.0".to_owned().into()),
        ip: Some("2001:db8::1".parse().unwrap()),
        asn: Some("AS1221".to_owned().try_into().unwrap()),
    };
    SessionDetails {
        device: Some(Device { initial, last: DeviceSnapshot::default() }),
        authentication: Some(vec![method]),
        last_interacted_at: Some(later(31)),
        cookie: Some(CookieMode::Persistent),
    }
}
