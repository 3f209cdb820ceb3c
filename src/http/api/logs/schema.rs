//! Schemas of the audit trail for the document, where its structs do not say all.

use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::fields::NAMES;
use super::view::LogView;
use crate::http::schema::{described, field_parameters, one_of, reference, text, whole_number};

type Schemas = Vec<(String, RefOr<Schema>)>;

/// `fields`, of the names that there are, and `include_fields`.
pub(super) struct FieldNames;

/// An entry, or those of its members that were asked for.
pub(super) struct LogFields;

/// Entries, in each of the forms that Auth0 has.
pub(super) struct LogList;

impl IntoParams for FieldNames {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        field_parameters(text().enum_values(Some(NAMES)))
    }
}

impl PartialSchema for LogFields {
    fn schema() -> RefOr<Schema> {
        let RefOr::T(Schema::Object(mut object)) = LogView::schema() else {
            unreachable!("the schema of a struct is an object");
        };
        object.required.clear();
        described(object, "An entry: with `fields`, those of its members that were asked for.")
    }
}

impl ToSchema for LogFields {
    fn schemas(schemas: &mut Schemas) {
        LogView::schemas(schemas);
    }
}

impl PartialSchema for LogList {
    fn schema() -> RefOr<Schema> {
        let logs = || ArrayBuilder::new().items(reference::<LogFields>());
        let page = ObjectBuilder::new()
            .property("start", described(whole_number(0, u32::MAX), "How many entries were skipped."))
            .property("limit", described(whole_number(0, u32::MAX), "How many the page has at the most."))
            .property("length", described(whole_number(0, u32::MAX), "How many it has."))
            .property("total", described(whole_number(0, u32::MAX), "How many match, up to 1000."))
            .property("logs", logs());
        let members = ["start", "limit", "length", "total", "logs"];
        let page = members.into_iter().fold(page, ObjectBuilder::required);
        let page = page.additional_properties(Some(AdditionalProperties::FreeForm(false)));
        let forms = [described(logs(), "Entries."), described(page, "A page, with `include_totals=true`.")];
        described(one_of(forms), "Entries of the audit trail.")
    }
}

impl ToSchema for LogList {
    fn schemas(schemas: &mut Schemas) {
        schemas.push((LogFields::name().into_owned(), LogFields::schema()));
        LogFields::schemas(schemas);
    }
}
