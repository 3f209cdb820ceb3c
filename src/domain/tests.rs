//! The names used in events, configuration, JSON and the store. Other programs depend on them: changing one is a
//! breaking change.

use serde_json::json;

use super::access::{Caller, Scope, TokenId, TokenState};
use super::algorithm::SigningAlg;
use super::client::{Client, Contradiction, Origin, SubjectLogout, SubjectType, TokenSubject, TokenTyp};
use super::delivery::State;
use super::initiator::{Initiator, Initiators};
use super::log::{Actor, Change, Channel, DeliveryOutcome, LogEntry, LogEvent, LogId, LogType};
use super::metadata::MetadataChoice;
use super::metadata::sensitive::{Kind, SensitivePolicy};
use super::pairwise::PairwiseFormat;
use super::session::Flow;
use super::session_details::CookieMode;

#[test]
fn names_are_as_documented() {
    assert_eq!(
        Initiator::ALL.map(Initiator::as_str),
        [
            "rp-logout",
            "idp-logout",
            "password-changed",
            "session-expired",
            "session-revoked",
            "account-deleted",
            "account-deactivated",
            "email-identifier-changed",
            "mfa-phone-unenrolled",
        ]
    );
    assert_eq!(
        State::ALL.map(State::as_str),
        ["pending", "in_flight", "delivered", "rejected", "exhausted", "discarded"]
    );
    assert_eq!(
        SigningAlg::ALL.map(SigningAlg::as_str),
        ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
    );
    assert_eq!(
        Scope::ALL.map(Scope::as_str),
        [
            "create:events",
            "read:sessions",
            "update:sessions",
            "delete:sessions",
            "read:clients",
            "create:clients",
            "update:clients",
            "delete:clients",
            "read:deliveries",
            "update:deliveries",
            "read:signing_keys",
            "update:signing_keys",
            "read:logs",
        ]
    );
    assert_eq!(
        Kind::ALL.map(Kind::as_str),
        ["private_key", "api_key", "bearer_token", "payment_card", "us_social_security_number"]
    );
    assert_eq!(
        Flow::ALL.map(Flow::as_str),
        ["browser", "resource_owner_password", "native_passkey", "native_social"]
    );
    assert_eq!(
        PairwiseFormat::ALL.map(PairwiseFormat::as_str),
        ["hex", "base64url", "keycloak", "hydra", "oidc-provider"]
    );
    assert_eq!(SensitivePolicy::ALL.map(SensitivePolicy::as_str), ["warn", "reject", "off"]);
    assert_eq!(CookieMode::ALL.map(CookieMode::as_str), ["persistent", "non-persistent"]);
    assert_eq!([Origin::File, Origin::Api].map(Origin::as_str), ["file", "api"]);
    assert_eq!(
        [TokenTyp::LogoutJwt, TokenTyp::Jwt, TokenTyp::None].map(TokenTyp::header_value),
        [Some("logout+jwt"), Some("JWT"), None]
    );
    assert_eq!(
        [TokenState::Active, TokenState::Expired, TokenState::Revoked].map(TokenState::as_str),
        ["active", "expired", "revoked"]
    );
}

#[test]
fn names_round_trip_and_unknown_ones_are_rejected() {
    for it in Initiator::ALL {
        assert_eq!(<&str>::from(it).parse(), Ok(it));
    }
    for it in State::ALL {
        assert_eq!(it.as_str().parse(), Ok(it));
    }
    for it in SigningAlg::ALL {
        assert_eq!(<&str>::from(it).parse(), Ok(it));
        assert_eq!(format!("{:?}", jsonwebtoken::Algorithm::from(it)), it.as_str());
    }
    for other in ["", "RS256 ", "rs256", "none", "HS256", "rp_logout", "Pending"] {
        assert!(other.parse::<Initiator>().is_err(), "{other}");
        assert!(other.parse::<State>().is_err(), "{other}");
        assert!(other.parse::<SigningAlg>().is_err(), "{other}");
    }
}

#[test]
fn final_states_and_rsa_algorithms_are_as_documented() {
    let are_final: Vec<_> = State::ALL.into_iter().filter(|it| it.is_final()).collect();
    assert_eq!(are_final, [State::Delivered, State::Rejected, State::Exhausted, State::Discarded]);
    let take_rsa_keys: Vec<_> =
        SigningAlg::ALL.into_iter().filter(|it| it.is_rsa()).map(SigningAlg::as_str).collect();
    assert_eq!(take_rsa_keys, ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]);
}

#[test]
fn log_entries_have_auth0s_codes_and_texts() {
    let types: Vec<_> = LogType::ALL
        .into_iter()
        .map(|it| (it.as_str(), it.names().collect::<Vec<_>>(), it.description()))
        .collect();
    let (succeeded, failed) = ("oidc_backchannel_logout_succeeded", "oidc_backchannel_logout_failed");
    assert_eq!(
        types,
        [
            ("sapi", vec!["sapi"], None),
            ("fapi", vec!["fapi"], None),
            (succeeded, vec![succeeded, "sslo"], Some("Successful OIDC Back-Channel Logout request")),
            (failed, vec![failed, "fslo"], Some("Failed OIDC Back-Channel Logout request")),
        ]
    );

    let of = |event| {
        let id = LogId::new("2026-01-02T03:04:05Z".parse().unwrap(), uuid::Uuid::from_u128(7));
        LogEntry { id, client_id: None, user_id: None, event }.log_type()
    };
    let change = |succeeded| {
        LogEvent::Change(Box::new(Change {
            description: "Update a client".to_owned(),
            channel: Channel::Api { method: "PATCH".to_owned(), path: "/api/v2/clients/{id}".to_owned() },
            object: None,
            succeeded,
            status: None,
            error_code: None,
            changed: Vec::new(),
            affected: Vec::new(),
            actor: None,
            ip: None,
            user_agent: None,
            request_id: None,
            count: None,
        }))
    };
    let outcome = |state| {
        LogEvent::Outcome(DeliveryOutcome {
            delivery_id: super::ids::DeliveryId(uuid::Uuid::from_u128(8)),
            state,
            initiator: Initiator::RpLogout,
            sid: None,
            attempts: 1,
            uri: None,
            status: None,
            error: None,
        })
    };
    assert_eq!([of(change(true)), of(change(false))], [LogType::Sapi, LogType::Fapi]);
    assert_eq!(of(outcome(State::Delivered)), LogType::LogoutSucceeded);
    assert_eq!(of(outcome(State::Rejected)), LogType::LogoutFailed);
    assert_eq!(of(outcome(State::Exhausted)), LogType::LogoutFailed);
}

#[test]
fn an_actor_identifies_the_caller() {
    let text = |text: &str| Some(text.to_owned());
    let actor = |caller: Caller| {
        let Actor { kind, id, name, client_id } = caller.into();
        (kind, id, name, client_id.map(String::from))
    };
    assert_eq!(actor(Caller::Bootstrap), ("bootstrap_token".to_owned(), None, None, None));
    let id = TokenId(uuid::Uuid::from_u128(7));
    assert_eq!(
        actor(Caller::ApiToken { id, name: "op".parse().unwrap() }),
        ("api_token".to_owned(), Some(id.to_string()), text("op"), None)
    );
    let (subject, client) = (Some("alice".parse().unwrap()), Some("console".parse().unwrap()));
    assert_eq!(
        actor(Caller::Jwt { subject, client }),
        ("access_token".to_owned(), text("alice"), None, text("console"))
    );
    assert_eq!(
        actor(Caller::Jwt { subject: None, client: None }),
        ("access_token".to_owned(), None, None, None)
    );
}

#[test]
fn initiators_are_all_or_a_non_empty_list() {
    let read = |value| serde_json::from_value::<Initiators>(value).map_err(|error| error.to_string());
    assert_eq!(read(json!("all")), Ok(Initiators::All));
    let selected = Initiators::Selected([Initiator::PasswordChanged].into());
    assert_eq!(read(json!(["password-changed"])), Ok(selected.clone()));
    for (value, problem) in [
        (json!("none"), "not \"none\""),
        (json!([]), "must name at least one"),
        (json!(["logout"]), "`logout` is not an initiator"),
        (json!(7), "must be \"all\" or a list"),
    ] {
        let error = read(value).unwrap_err();
        assert!(error.contains(problem), "{error}");
    }
    for it in [Initiators::All, selected] {
        assert_eq!(read(serde_json::to_value(&it).unwrap()), Ok(it));
    }
}

#[test]
fn a_metadata_choice_is_a_boolean_or_a_bounded_list_of_keys() {
    let read = |value| serde_json::from_value::<MetadataChoice>(value).map_err(|error| error.to_string());
    let keys = |count: usize| (0..count).map(|n| format!("key-{n}")).collect::<Vec<_>>();
    assert_eq!(read(json!(false)), Ok(MetadataChoice::None));
    assert_eq!(read(json!(true)), Ok(MetadataChoice::All));
    assert_eq!(read(json!(keys(25))), Ok(MetadataChoice::Keys(keys(25).into_iter().collect())));
    assert!(read(json!(keys(26))).is_err());
    assert!(read(json!(["a key"])).is_err());
}

#[test]
fn contradictory_client_settings_are_reported() {
    let public = SubjectType::Public;
    let pairwise = SubjectType::Pairwise;
    let sector = Some("https://example.com/sector.json");
    for (required, subject, logout, subject_type, sector, fields) in [
        (false, TokenSubject::SidAndSub, SubjectLogout::Sid, public, None, &[][..]),
        (true, TokenSubject::SidAndSub, SubjectLogout::Sid, public, None, &[]),
        (true, TokenSubject::Sid, SubjectLogout::Sid, public, None, &[]),
        (false, TokenSubject::Sub, SubjectLogout::Sub, public, None, &[]),
        (false, TokenSubject::SidAndSub, SubjectLogout::Sub, public, None, &[]),
        (true, TokenSubject::Sub, SubjectLogout::Sid, public, None, &["token.subject"]),
        (true, TokenSubject::SidAndSub, SubjectLogout::Sub, public, None, &["subject_logout"]),
        (false, TokenSubject::Sid, SubjectLogout::Sub, public, None, &["subject_logout"]),
        (true, TokenSubject::Sub, SubjectLogout::Sub, public, None, &["token.subject", "subject_logout"]),
        (false, TokenSubject::SidAndSub, SubjectLogout::Sid, pairwise, None, &[]),
        (false, TokenSubject::SidAndSub, SubjectLogout::Sid, pairwise, sector, &[]),
        (false, TokenSubject::SidAndSub, SubjectLogout::Sid, public, sector, &["sector_identifier_uri"]),
    ] {
        let mut client = Client::new("shop".parse().unwrap());
        client.backchannel_logout_session_required = required;
        client.token.subject = subject;
        client.subject_logout = logout;
        client.subject_type = subject_type;
        client.sector_identifier_uri = sector.map(|it| it.parse().unwrap());
        let found: Vec<_> =
            client.contradictions().into_iter().map(|Contradiction { field, .. }| field).collect();
        assert_eq!(found, fields, "{client:?}");
    }
}
