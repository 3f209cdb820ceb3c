//! Faults of a document as errors of a body, in the words that serde has for those of other bodies.

use crate::domain::client::document::{Fault, JsonType, Problem};
use crate::registry::InvalidMember;

/// The error for a fault.
pub(super) fn invalid(fault: Fault) -> InvalidMember {
    let problem = match fault.problem {
        Problem::Unknown { known } => {
            let known: Vec<String> = known.into_iter().map(|name| format!("`{name}`")).collect();
            format!("unknown field, expected one of {}", known.join(", "))
        }
        Problem::Type { expected, found } => {
            format!("invalid type: {}, expected {expected}", type_name(found))
        }
        Problem::OutOfRange { expected, .. } => format!("must be {expected}"),
        Problem::Invalid(rule) => rule,
    };
    InvalidMember::new(fault.path, problem)
}

fn type_name(found: JsonType) -> &'static str {
    match found {
        JsonType::Null => "null",
        JsonType::Boolean => "a boolean",
        JsonType::WholeNumber => "a whole number",
        JsonType::DecimalNumber => "a decimal number",
        JsonType::String => "a string",
        JsonType::Array => "an array",
        JsonType::Object => "an object",
    }
}
