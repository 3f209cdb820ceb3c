//! Schemas of the bodies of `POST /events`. `sources/cloudevents` parses them and knows nothing of OpenAPI; a test compares
//! the members here with those that it accepts.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::ids::{ClientId, Sid, Sub};
use crate::domain::initiator::Initiator;
use crate::domain::metadata::SessionMetadata;
use crate::domain::session::Flow;
use crate::domain::session_details::CookieMode;
use crate::http::schema::{any_of, described, identifier, one_of, reference, text};
use crate::sources::cloudevents::MAX_BATCH;

type Schemas = Vec<(String, RefOr<Schema>)>;

/// A client, or a client that knows the user by a `sub` of its own.
struct NamedClient;

/// A client that knows the user by a `sub` of its own (pairwise subjects).
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes what sources/cloudevents parses")]
struct PairwiseClient {
    client_id: ClientId,
    sub: Option<Sub>,
}

/// A user logged in.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes what sources/cloudevents parses")]
struct SessionCreatedData {
    sid: Sid,
    sub: Sub,
    /// The clients known at the start.
    #[schema(required = false)]
    clients: Vec<NamedClient>,
    #[schema(required = false)]
    session_metadata: SessionMetadata,
    /// When the user authenticated; else that was when the session began.
    #[schema(format = DateTime)]
    authenticated_at: Option<String>,
    /// When the session ends unless it is reported again before.
    #[schema(format = DateTime)]
    idle_expires_at: Option<String>,
    /// When the session expires.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    #[schema(required = false)]
    flow: Flow,
    device: Option<SessionDeviceData>,
    authentication: Option<SessionAuthenticationData>,
    /// When the user was last active.
    #[schema(format = DateTime)]
    last_interacted_at: Option<String>,
    cookie: Option<SessionCookieData>,
}

/// Where the user logged in and was last active. It replaces what was reported before, whole.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes what sources/cloudevents parses")]
struct SessionDeviceData {
    /// At most 512 characters of it are kept.
    initial_user_agent: Option<String>,
    /// An IPv4 or IPv6 address.
    #[schema(example = "192.0.2.1")]
    initial_ip: Option<String>,
    #[schema(min_length = 1, max_length = 32, example = "64496")]
    initial_asn: Option<String>,
    /// At most 512 characters of it are kept.
    last_user_agent: Option<String>,
    /// An IPv4 or IPv6 address.
    #[schema(example = "2001:db8::1")]
    last_ip: Option<String>,
    #[schema(min_length = 1, max_length = 32, example = "64496")]
    last_asn: Option<String>,
}

/// How the user authenticated. It replaces what was reported before, whole.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes what sources/cloudevents parses")]
struct SessionAuthenticationData {
    #[schema(max_items = 50)]
    methods: Vec<SessionMethodData>,
}

/// One way in which the user authenticated.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes what sources/cloudevents parses")]
struct SessionMethodData {
    /// Such as `pwd`, `federated`, `passkey`, `mfa`, or a URL of the OP's own.
    #[schema(min_length = 1, max_length = 255, example = "mfa")]
    name: String,
    #[schema(format = DateTime)]
    timestamp: Option<String>,
    /// Which factor, of `mfa`.
    #[schema(min_length = 1, max_length = 255, example = "otp")]
    r#type: Option<String>,
}

/// The OP's cookie.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes what sources/cloudevents parses")]
struct SessionCookieData {
    mode: CookieMode,
}

/// The user of a session logged in to one more client.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes what sources/cloudevents parses")]
struct SessionClientAddedData {
    sid: Sid,
    client_id: ClientId,
    /// This client's own `sub` of the user.
    sub: Option<Sub>,
}

/// A session changed. At least one of the members besides `sid` must be given.
#[derive(ToSchema)]
#[schema(min_properties = 2)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes what sources/cloudevents parses")]
struct SessionUpdatedData {
    sid: Sid,
    /// Replaces the metadata whole.
    session_metadata: Option<SessionMetadata>,
    /// Replaces the end of its idle lifetime.
    #[schema(format = DateTime)]
    idle_expires_at: Option<String>,
    /// Replaces the end of its lifetime.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    device: Option<SessionDeviceData>,
    authentication: Option<SessionAuthenticationData>,
    /// When the user was last active.
    #[schema(format = DateTime)]
    last_interacted_at: Option<String>,
    cookie: Option<SessionCookieData>,
}

/// One session ended, or every session of a user: `sid`, `sub` or both must be given.
#[derive(ToSchema)]
#[schema(min_properties = 2)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes what sources/cloudevents parses")]
struct SessionTerminatedData {
    sid: Option<Sid>,
    /// Alone: every session of this user.
    sub: Option<Sub>,
    initiator: Initiator,
    /// Clients to notify beside those known; required for a session that was never reported.
    #[schema(required = false)]
    clients: Vec<NamedClient>,
    /// For a session that was never reported, or was reported without metadata.
    #[schema(required = false)]
    session_metadata: SessionMetadata,
    /// Clients not to notify, such as the one at which the user logged out.
    #[schema(required = false)]
    exclude_clients: Vec<ClientId>,
}

impl PartialSchema for NamedClient {
    fn schema() -> RefOr<Schema> {
        let forms = one_of([reference::<ClientId>(), reference::<PairwiseClient>()]);
        described(forms, "A client, or a client that knows the user by a `sub` of its own.")
    }
}

impl ToSchema for NamedClient {
    fn schemas(schemas: &mut Schemas) {
        add::<ClientId>(schemas);
        add::<PairwiseClient>(schemas);
    }
}

/// Makes the schema of an event of each type from that of its data.
macro_rules! event_types {
    ($($name:ident = $type:literal with $data:ty;)+) => { $(
        struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                event($type, reference::<$data>())
            }
        }

        impl ToSchema for $name {
            fn schemas(schemas: &mut Schemas) {
                add::<$data>(schemas);
            }
        }
    )+ };
}

event_types! {
    SessionCreated = "session.created" with SessionCreatedData;
    SessionClientAdded = "session.client_added" with SessionClientAddedData;
    SessionUpdated = "session.updated" with SessionUpdatedData;
    SessionTerminated = "session.terminated" with SessionTerminatedData;
}

/// CloudEvents 1.0 in the JSON format. Attributes that are not listed are extensions, and ignored.
fn event(r#type: &str, data: RefOr<Schema>) -> RefOr<Schema> {
    let time = text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    let schema = ObjectBuilder::new()
        .property("specversion", text().enum_values(Some(["1.0"])))
        .property(
            "id",
            described(identifier("evt-1"), "Unique within `source`; both are the idempotency key."),
        )
        .property(
            "source",
            described(identifier("https://op.example.com"), "The system that reports: a URI reference."),
        )
        .property("type", text().enum_values(Some([r#type])))
        .property("time", described(time, "When it happened."))
        .property("data", data);
    let required = ["specversion", "id", "source", "type", "data"];
    let schema = required.into_iter().fold(schema, ObjectBuilder::required);
    described(schema, "An event: CloudEvents 1.0 in the JSON format.")
}

/// An event, in structured mode.
pub(super) struct Event;

impl PartialSchema for Event {
    fn schema() -> RefOr<Schema> {
        let types = [
            reference::<SessionCreated>(),
            reference::<SessionClientAdded>(),
            reference::<SessionUpdated>(),
            reference::<SessionTerminated>(),
        ];
        described(one_of(types), "An event, in structured mode. Its `type` determines `data`.")
    }
}

impl ToSchema for Event {
    fn schemas(schemas: &mut Schemas) {
        add::<SessionCreated>(schemas);
        add::<SessionClientAdded>(schemas);
        add::<SessionUpdated>(schemas);
        add::<SessionTerminated>(schemas);
    }
}

/// Events, in batched mode.
pub(super) struct EventBatch;

impl PartialSchema for EventBatch {
    fn schema() -> RefOr<Schema> {
        let batch = ArrayBuilder::new().items(reference::<Event>()).max_items(Some(MAX_BATCH));
        described(batch, "Events, in batched mode. All of them are accepted, or none.")
    }
}

impl ToSchema for EventBatch {
    fn schemas(schemas: &mut Schemas) {
        add::<Event>(schemas);
    }
}

/// What `application/json` can be.
pub(super) struct PlainJson;

impl PartialSchema for PlainJson {
    fn schema() -> RefOr<Schema> {
        let forms = [
            reference::<Event>(),
            reference::<EventBatch>(),
            reference::<SessionCreatedData>(),
            reference::<SessionClientAddedData>(),
            reference::<SessionUpdatedData>(),
            reference::<SessionTerminatedData>(),
        ];
        let description = "With `ce-` headers, in binary mode: an event's `data`. Without: an event or a batch of \
                           events, as for the media types of CloudEvents.";
        described(any_of(forms), description)
    }
}

impl ToSchema for PlainJson {
    fn schemas(schemas: &mut Schemas) {
        add::<EventBatch>(schemas);
    }
}

/// A schema that others refer to, with those that it refers to.
fn add<T: ToSchema>(schemas: &mut Schemas) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}
