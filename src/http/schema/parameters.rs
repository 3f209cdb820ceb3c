//! Parameters that several operations take.

use serde_json::json;
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaFormat, Type};

use crate::http::schema::types::{list, text};

/// How many items a page has by default, and at most: Auth0's limits.
pub(crate) const DEFAULT_PAGE: u32 = 50;
pub(crate) const MAX_PAGE: u32 = 100;

/// `take`: how many items a page of checkpoint paging has.
pub(crate) struct Take;

/// `from`: where a page of checkpoint paging begins.
pub(crate) struct Checkpoint;

impl IntoParams for Take {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = whole_number(1, MAX_PAGE).default(Some(json!(DEFAULT_PAGE)));
        vec![query("take", "How many items the page has at the most.", schema.into())]
    }
}

impl IntoParams for Checkpoint {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = text().format(Some(SchemaFormat::Custom("uuid".to_owned())));
        vec![query("from", "The `next` of the page before; left out for the first page.", schema.into())]
    }
}

/// `If-Match`, read by the extractor of that name.
pub(crate) struct IfMatch;

/// Auth0's `fields`, each of which is `name`, and `include_fields`.
pub(crate) fn field_parameters(name: ObjectBuilder) -> Vec<Parameter> {
    let names = list(name.into());
    let include = ObjectBuilder::new().schema_type(Type::Boolean).default(Some(json!(true)));
    let mut fields = query("fields", "Names of members of the answer, separated by commas.", names.into());
    fields.explode = Some(false);
    let description = "Whether `fields` are the members that are wanted (`true`), or those that are not.";
    vec![fields, query("include_fields", description, include.into())]
}

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let tags = text().pattern(Some(r#"^(\*|(W/)?"[0-9]{1,19}"(, ?(W/)?"[0-9]{1,19}")*)$"#));
        let description =
            "`ETag`s, one of which the session must still have; `*` for any. Weak ones never match.";
        let parameter = ParameterBuilder::new()
            .name("If-Match")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(description))
            .example(Some(json!("\"7\"")))
            .schema(Some(tags));
        vec![parameter.build()]
    }
}

/// A schema of whole numbers.
pub(crate) fn whole_number(min: u32, max: u32) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(min)).maximum(Some(max))
}

fn query(name: &str, description: &str, schema: Schema) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}
