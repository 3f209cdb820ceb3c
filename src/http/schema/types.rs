//! Schemas of the domain's types, which know nothing of OpenAPI. Names and limits are the domain's own, so that they are
//! written once.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, Array, ArrayBuilder, Object, ObjectBuilder, OneOfBuilder, Schema,
    SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::algorithm::SigningAlg;
use crate::domain::client::{LogoutUri, Origin};
use crate::domain::delivery::State;
use crate::domain::ids::{ClientId, MAX_ID_CHARS, Sid, Sub};
use crate::domain::initiator::{Initiator, Initiators};
use crate::domain::log::{LogId, LogType};
use crate::domain::metadata::{MAX_CHARS, MAX_ENTRIES, MetadataChoice, SessionMetadata};
use crate::domain::sector::SectorIdentifierUri;
use crate::domain::session::Flow;
use crate::domain::session_details::CookieMode;
use crate::keyring::Kid;

/// The pattern of a key of session metadata.
const METADATA_KEY: &str = "^[A-Za-z0-9_-]+$";

/// Implements the schema of each of these types, which is known by this name in the document.
macro_rules! schemas {
    ($($(#[doc = $doc:literal])+ $name:literal for $type:ty = $schema:expr;)+) => {
        $(
            impl PartialSchema for $type {
                fn schema() -> RefOr<Schema> {
                    described($schema, concat!($($doc),+).trim())
                }
            }

            impl ToSchema for $type {
                fn name() -> Cow<'static, str> {
                    Cow::Borrowed($name)
                }
            }
        )+

        /// All of them by name. A schema that only a parameter refers to gets into a document by no other way.
        pub(crate) fn shared_schemas() -> Vec<(String, RefOr<Schema>)> {
            vec![$((<$type>::name().into_owned(), <$type>::schema())),+]
        }
    };
}

/// The id of a delivery or a job.
pub(crate) struct Uuid;

/// One final state, or a list of them.
pub(crate) struct FinalStates;

/// Auth0's `jwt_configuration`.
pub(crate) struct JwtConfiguration;

/// Auth0's form of initiators.
pub(crate) struct OidcLogoutInitiators;

/// The version of the query syntax of the audit trail.
pub(crate) struct SearchEngine;

/// The order of entries of the audit trail.
pub(crate) struct LogSort;

schemas! {
    /// A client's `client_id`: the `aud` of its tokens.
    "ClientId" for ClientId = identifier("shop");
    /// A session's id at the OpenID Provider.
    "Sid" for Sid = identifier("s-1");
    /// A user's identifier: the OpenID Provider's, or a client's own pairwise one.
    "Sub" for Sub = identifier("alice");
    /// Why a session ended, in Auth0's names.
    "Initiator" for Initiator = names(Initiator::ALL, json!("rp-logout"));
    /// The initiators that a client is subscribed to: `all`, or a list.
    "Initiators" for Initiators = one_of([names(["all"], json!("all")).into(), list(reference::<Initiator>()).into()]);
    /// A JWS algorithm that logout tokens are signed with.
    "SigningAlg" for SigningAlg = names(SigningAlg::ALL, json!("RS256"));
    /// `pending`: it waits for its time, or for a slot. `in_flight`: an attempt is under way. `delivered`: the
    /// relying party answered 2xx. `rejected`: the relying party refused it. `exhausted`: it failed recoverably
    /// until its time ran out. `discarded`: the client was removed, disabled or unsubscribed meanwhile.
    "DeliveryState" for State = names(State::ALL, json!("delivered"));
    /// How a session was made. Only sessions of the `browser` flow can carry metadata.
    "Flow" for Flow = names(Flow::ALL, json!("browser"));
    /// Whether the OP's cookie outlives the browser.
    "CookieMode" for CookieMode = names(CookieMode::ALL, json!("persistent"));
    /// Who manages a client: the configuration file (it is read-only here), or this API.
    "Origin" for Origin = names([Origin::File, Origin::Api], json!("api"));
    /// A key's id: the `kid` of tokens and of the JWKS.
    "Kid" for Kid = text()
        .min_length(Some(1))
        .max_length(Some(Kid::MAX_CHARS))
        .pattern(Some("^[A-Za-z0-9_~-][A-Za-z0-9._~-]*$"))
        .examples([json!("es256-20261124-9f2c1a")])
        .build();
    /// The id of an entry of the audit trail. They sort by time.
    "LogId" for LogId = text().pattern(Some("^[0-9]{52}$")).build();
    /// `oidc_backchannel_logout_succeeded`: a logout token was delivered. `oidc_backchannel_logout_failed`: it was not.
    /// `sapi`: something was changed through the API or by a command. `fapi`: such a change was refused, or failed.
    "LogType" for LogType = names(LogType::ALL.map(LogType::as_str), json!("oidc_backchannel_logout_failed"));
    /// What groups the clients that share pairwise subjects: an absolute `https` URI, without fragment, user name
    /// and password.
    "SectorIdentifierUri" for SectorIdentifierUri = text()
        .format(Some(SchemaFormat::Custom("uri".to_owned())))
        .max_length(Some(SectorIdentifierUri::MAX_BYTES))
        .pattern(Some(r"^[Hh][Tt][Tt][Pp][Ss]://[!-~]+$"))
        .examples([json!("https://shop.example.com/sector.json")])
        .build();
    /// Where a client's logout tokens go, by POST: absolute, `https` (or `http`, where the configuration allows
    /// it), without fragment, user name and password. Its host must have public addresses only, but for those
    /// that `egress.allow_networks` exempts.
    "LogoutUri" for LogoutUri = text()
        .format(Some(SchemaFormat::Custom("uri".to_owned())))
        .max_length(Some(LogoutUri::MAX_BYTES))
        .pattern(Some(r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s\\#]+$"))
        .examples([json!("https://shop.example.com/backchannel-logout")])
        .build();
    /// A session's metadata. Keys are letters, digits, `_` and `-`. Its values may be personal data.
    "SessionMetadata" for SessionMetadata = ObjectBuilder::new()
        .max_properties(Some(MAX_ENTRIES))
        .property_names(Some(text().min_length(Some(1)).max_length(Some(MAX_CHARS)).pattern(Some(METADATA_KEY)).build()))
        .additional_properties(Some(text().max_length(Some(MAX_CHARS))))
        .examples([json!({"org_id": "org_abc123"})])
        .build();
    /// Which session metadata a client's tokens carry: none of it, all of it, or these keys.
    "MetadataChoice" for MetadataChoice = one_of([
        ObjectBuilder::new().schema_type(Type::Boolean).build().into(),
        ArrayBuilder::new()
            .items(text().min_length(Some(1)).max_length(Some(MAX_CHARS)).pattern(Some(METADATA_KEY)))
            .max_items(Some(MAX_ENTRIES))
            .build()
            .into(),
    ]);
    /// The id of a delivery or a job. Its pattern tells it from a path beside it, such as `…/deliveries/redeliver`.
    "Uuid" for Uuid = text()
        .format(Some(SchemaFormat::Custom("uuid".to_owned())))
        .pattern(Some("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"))
        .build();
    /// One of the states in which nothing more happens to a delivery by itself, or a list of them.
    "FinalStates" for FinalStates = one_of([final_states().into(), list(final_states().into()).into()]);
    /// Auth0's `jwt_configuration`. What it has besides `alg` is kept and given back.
    "JwtConfiguration" for JwtConfiguration = ObjectBuilder::new()
        .property("alg", reference::<SigningAlg>())
        .property("lifetime_in_seconds", nullable(Type::Integer).minimum(Some(0)).maximum(Some(i32::MAX)))
        .property("scopes", nullable(Type::Object).additional_properties(Some(Schema::from(text().build()))))
        .property("secret_encoded", nullable(Type::Boolean))
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        .build();
    /// Auth0's form of a client's initiators. `selected_initiators` is given only, and always, with `custom`.
    "OidcLogoutInitiators" for OidcLogoutInitiators = one_of([
        initiators_form("all").into(),
        initiators_form("custom")
            .property("selected_initiators", list(reference::<Initiator>()))
            .required("selected_initiators")
            .into(),
    ]);
    /// The one version of the query syntax that there is.
    "SearchEngine" for SearchEngine = names(["v3"], json!("v3"));
    /// The oldest, or the newest, first.
    "LogSort" for LogSort = names(["date:1", "date:-1"], json!("date:-1"));
}

/// A delivery that follows from an event or a command.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what serde writes of the domain's type")]
pub(crate) struct DeliverySummary {
    #[schema(format = "uuid")]
    id: String,
    client_id: ClientId,
    state: State,
}

/// A string.
pub(crate) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn nullable(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([kind, Type::Null]))
}

/// One of the program's identifiers.
pub(crate) fn identifier(example: &str) -> Object {
    text()
        .min_length(Some(1))
        .max_length(Some(MAX_ID_CHARS))
        .pattern(Some(r"^[^\u0000-\u001f\u007f-\u009f]*$"))
        .examples([json!(example)])
        .build()
}

/// One of these names, as serde writes them.
fn names<T: Serialize>(values: impl IntoIterator<Item = T>, example: Value) -> Object {
    let names = values.into_iter().map(|it| serde_json::to_value(it).expect("a name is a string"));
    text().enum_values(Some(names)).examples([example]).build()
}

fn initiators_form(mode: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .property("mode", names([mode], json!(mode)))
        .required("mode")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
}

fn final_states() -> Object {
    names(State::ALL.into_iter().filter(|state| state.is_final()), json!("rejected"))
}

/// A reference to another schema. A type that uses it also lists that schema among its own.
pub(crate) fn reference<T: ToSchema>() -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(T::name()))
}

/// A list of one or more.
pub(crate) fn list(items: RefOr<Schema>) -> Array {
    ArrayBuilder::new().items(items).min_items(Some(1)).build()
}

/// Exactly one of these.
pub(crate) fn one_of(schemas: impl IntoIterator<Item = RefOr<Schema>>) -> Schema {
    schemas.into_iter().fold(OneOfBuilder::new(), OneOfBuilder::item).into()
}

/// At least one of these.
pub(crate) fn any_of(schemas: impl IntoIterator<Item = RefOr<Schema>>) -> Schema {
    schemas.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item).into()
}

/// The schema, with a description.
pub(crate) fn described(schema: impl Into<Schema>, description: &str) -> RefOr<Schema> {
    let mut schema = schema.into();
    let description = Some(description.to_owned());
    match &mut schema {
        Schema::Array(array) => array.description = description,
        Schema::Object(object) => object.description = description,
        Schema::OneOf(one_of) => one_of.description = description,
        Schema::AllOf(all_of) => all_of.description = description,
        Schema::AnyOf(any_of) => any_of.description = description,
        // There is no other kind; utoipa keeps itself the right to add some.
        _ => {}
    }
    RefOr::T(schema)
}
