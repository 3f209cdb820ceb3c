//! The token's exact shape.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::client::{SubjectType, TokenOptions};
use crate::domain::ids::DeliveryId;
use crate::domain::initiator::{Initiator, Initiators};
use crate::domain::metadata::MetadataChoice;

fn client() -> Client {
    Client {
        id_token_signed_response_alg: SigningAlg::Es256,
        initiators: Initiators::All,
        session_metadata: MetadataChoice::All,
        ..Client::new("shop".parse().unwrap())
    }
}

fn intent(sid: Option<&str>, sub: Option<&str>) -> Intent {
    Intent {
        id: DeliveryId(Uuid::nil()),
        session_key: None,
        sid: sid.map(|it| it.parse().unwrap()),
        sub: sub.map(|it| it.parse().unwrap()),
        sub_is_public: true,
        client_id: "shop".parse().unwrap(),
        initiator: Initiator::RpLogout,
        session_metadata: SessionMetadata::default(),
        created_at: Timestamp::UNIX_EPOCH,
        expires_at: Timestamp::UNIX_EPOCH,
    }
}

fn encoded(client: &Client, intent: &Intent, now: Timestamp) -> Result<Value, NoIdentifier> {
    let claims = claims("https://op.example.com", client, intent, now, Uuid::nil())?;
    Ok(serde_json::to_value(claims).unwrap())
}

#[test]
fn the_claims_are_exactly_these() {
    let metadata = BTreeMap::from([("org_id".to_owned(), "org_1".to_owned())]);
    let intent =
        Intent { session_metadata: metadata.try_into().unwrap(), ..intent(Some("s-1"), Some("alice")) };
    let now = Timestamp::from_millisecond(1_700_000_000_999).unwrap();
    assert_eq!(
        encoded(&client(), &intent, now).unwrap(),
        json!({
            "iss": "https://op.example.com",
            "aud": "shop",
            "iat": 1_700_000_000,
            "exp": 1_700_000_120,
            "jti": "00000000-0000-0000-0000-000000000000",
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
            "sub": "alice",
            "sid": "s-1",
            "session_metadata": {"org_id": "org_1"},
        })
    );
}

#[test]
fn the_header_is_exactly_this() {
    for (typ, expected) in [
        (TokenTyp::LogoutJwt, json!({"typ": "logout+jwt", "alg": "ES256", "kid": "k1"})),
        (TokenTyp::Jwt, json!({"typ": "JWT", "alg": "ES256", "kid": "k1"})),
        (TokenTyp::None, json!({"alg": "ES256", "kid": "k1"})),
    ] {
        assert_eq!(serde_json::to_value(header(SigningAlg::Es256, "k1", typ)).unwrap(), expected);
    }
    for alg in SigningAlg::ALL {
        let header = serde_json::to_value(header(alg, "k", TokenTyp::None)).unwrap();
        assert_eq!(header["alg"], alg.as_str());
    }
}

proptest! {
    #[test]
    fn the_claims_keep_the_clients_promises(
        sid in prop::option::of("[a-z]{1,9}"),
        sub in prop::option::of("[a-z]{1,9}"),
        subject in prop::sample::select(vec![TokenSubject::SidAndSub, TokenSubject::Sid, TokenSubject::Sub]),
        required: bool,
        ttl in 1_u64..600,
        millis in 0_i64..4_000_000_000_000,
    ) {
        let client = Client {
            backchannel_logout_session_required: required,
            token: TokenOptions { ttl: Duration::from_secs(ttl), subject, ..TokenOptions::default() },
            ..client()
        };
        let now = Timestamp::from_millisecond(millis).unwrap();
        let Ok(claims) = encoded(&client, &intent(sid.as_deref(), sub.as_deref()), now) else {
            let lacks_sid = sid.is_none() && (required || subject == TokenSubject::Sid);
            let lacks_sub = sub.is_none() && subject == TokenSubject::Sub;
            prop_assert!(lacks_sid || lacks_sub || (sid.is_none() && sub.is_none()));
            return Ok(());
        };
        let claims = claims.as_object().unwrap();
        let names: BTreeSet<&str> = claims.keys().map(String::as_str).collect();
        prop_assert!(names.contains("sid") || names.contains("sub"));
        prop_assert!(!required || names.contains("sid"));
        prop_assert!(subject != TokenSubject::Sid || !names.contains("sub"));
        prop_assert!(subject != TokenSubject::Sub || required || !names.contains("sid"));
        prop_assert!(!names.contains("nonce") && !names.contains("session_metadata"));
        let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
        prop_assert!(iat * 1000 <= millis && exp - iat == i64::try_from(ttl).unwrap());
    }
}

#[test]
fn a_pairwise_client_never_sees_a_public_sub_that_was_queued_before() {
    let pairwise = Client { subject_type: SubjectType::Pairwise, ..client() };
    let queued = intent(Some("s-1"), Some("alice"));
    let claims = encoded(&pairwise, &queued, Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!((claims.get("sid"), claims.get("sub")), (Some(&json!("s-1")), None));
    let own = Intent { sub_is_public: false, ..queued };
    assert_eq!(encoded(&pairwise, &own, Timestamp::UNIX_EPOCH).unwrap()["sub"], "alice");

    let subject_only = intent(None, Some("alice"));
    let refused = encoded(&pairwise, &subject_only, Timestamp::UNIX_EPOCH).unwrap_err();
    assert_eq!(refused, NoIdentifier { needs: "sid or sub" });
}
