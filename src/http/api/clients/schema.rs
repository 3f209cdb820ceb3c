//! Schemas of clients for the document: those of their structs, with the settings and the descriptive members that
//! serde flattens into them.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, Object, ObjectBuilder, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::change::ClientBody;
use super::descriptive;
use super::settings::{self, Use};
use super::view::ClientView;
use crate::domain::ids::ClientId;
use crate::http::schema::{described, field_parameters, one_of, reference, text, whole_number};

type Schemas = Vec<(String, RefOr<Schema>)>;

/// The body of `POST`.
pub(super) struct Registration;

/// The body of `PATCH`.
pub(super) struct Change;

/// A whole client.
pub(super) struct Client;

/// A client, or those of its members that were asked for.
pub(super) struct ClientFields;

/// Clients, in each of the forms that Auth0 has.
pub(super) struct ClientList;

impl PartialSchema for Registration {
    fn schema() -> RefOr<Schema> {
        described(body(), "A client to register. What is left out, or `null`, is the default.")
    }
}

impl ToSchema for Registration {
    fn name() -> Cow<'static, str> {
        "ClientRegistration".into()
    }

    fn schemas(schemas: &mut Schemas) {
        ClientBody::schemas(schemas);
        schemas.extend(settings::schemas(Use::Body));
        schemas.extend(descriptive::schemas());
    }
}

impl PartialSchema for Change {
    fn schema() -> RefOr<Schema> {
        let mut object = body();
        object.properties.remove("client_id");
        object.min_properties = Some(1);
        described(
            object,
            "A change of a client. What is left out stays as it is; `null` makes it the default.",
        )
    }
}

impl ToSchema for Change {
    fn name() -> Cow<'static, str> {
        "ClientChange".into()
    }

    fn schemas(schemas: &mut Schemas) {
        ClientBody::schemas(schemas);
        schemas.extend(settings::schemas(Use::Body));
        schemas.extend(descriptive::schemas());
    }
}

impl PartialSchema for Client {
    fn schema() -> RefOr<Schema> {
        described(
            complete::<ClientView>(Use::Answer),
            "A client. What else its registration says is kept in it, too.",
        )
    }
}

impl ToSchema for Client {
    fn schemas(schemas: &mut Schemas) {
        ClientView::schemas(schemas);
        schemas.extend(settings::schemas(Use::Answer));
        schemas.extend(descriptive::schemas());
    }
}

impl PartialSchema for ClientFields {
    fn schema() -> RefOr<Schema> {
        let mut object = complete::<ClientView>(Use::Answer);
        object.required.clear();
        described(object, "A client: with `fields`, those of its members that were asked for.")
    }
}

impl ToSchema for ClientFields {
    fn schemas(schemas: &mut Schemas) {
        ClientView::schemas(schemas);
        schemas.extend(settings::schemas(Use::Answer));
        schemas.extend(descriptive::schemas());
    }
}

impl PartialSchema for ClientList {
    fn schema() -> RefOr<Schema> {
        let clients = || ArrayBuilder::new().items(reference::<ClientFields>());
        let page = ObjectBuilder::new()
            .property("start", described(whole_number(0, u32::MAX), "How many clients were skipped."))
            .property("limit", described(whole_number(0, u32::MAX), "How many the page has at the most."))
            .property("length", described(whole_number(0, u32::MAX), "How many it has."))
            .property("total", described(whole_number(0, u32::MAX), "How many there are in all."))
            .property("clients", clients())
            .required("start")
            .required("limit")
            .required("length")
            .required("total")
            .required("clients")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        let checkpoint = ObjectBuilder::new()
            .property("clients", clients())
            .property("next", reference::<ClientId>())
            .required("clients")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        let forms = [
            described(clients(), "A page."),
            described(page, "A page, with `include_totals=true`."),
            described(checkpoint, "A page, with `from` or `take`; without `next` it is the last."),
        ];
        described(one_of(forms), "Clients.")
    }
}

impl ToSchema for ClientList {
    fn schemas(schemas: &mut Schemas) {
        schemas.push((ClientFields::name().into_owned(), ClientFields::schema()));
        ClientFields::schemas(schemas);
    }
}

/// `fields`, of the names that there are, and `include_fields`.
pub(super) struct FieldNames;

impl IntoParams for FieldNames {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        field_parameters(text().enum_values(Some(member_names())))
    }
}

/// The names of the members that a client can have.
pub(super) fn member_names() -> Vec<String> {
    complete::<ClientView>(Use::Answer).properties.keys().cloned().collect()
}

/// What a body can have; anything else is refused.
fn body() -> Object {
    let mut object = complete::<ClientBody>(Use::Body);
    for (name, schema) in descriptive::ignored_properties() {
        object.properties.entry(name.to_owned()).or_insert(schema);
    }
    object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
    object
}

/// The schema of a struct, with the settings, and the descriptive members that have no field of their own there.
fn complete<T: PartialSchema>(usage: Use) -> Object {
    let RefOr::T(Schema::Object(mut object)) = T::schema() else {
        unreachable!("the schema of a struct is an object");
    };
    settings::add_to(&mut object, usage);
    for (name, schema) in descriptive::properties() {
        object.properties.entry(name.to_owned()).or_insert(schema);
    }
    object
}
