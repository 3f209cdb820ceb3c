//! Settings under Auth0's names, as a document under their own names.

use serde_json::{Map, Value};

use super::oidc_logout::OidcLogoutChange;
use crate::http::extract::Member;
use crate::registry::InvalidMember;

/// The settings that a body has under Auth0's names.
#[derive(Clone, Debug)]
pub(super) struct Auth0Settings {
    /// Under their own names.
    pub(super) document: Map<String, Value>,
    /// The name under which the body has Auth0's `oidc_logout`.
    oidc_logout: &'static str,
}

impl Auth0Settings {
    /// Translates the members of a body that Auth0 has names of its own for.
    pub(super) fn of(
        name: Member<Value>,
        alg: Member<Value>,
        oidc_logout: Member<OidcLogoutChange>,
        oidc_backchannel_logout: Member<OidcLogoutChange>,
    ) -> Result<Self, InvalidMember> {
        let (object, change) = if oidc_logout.is_given() {
            ("oidc_logout", oidc_logout)
        } else {
            ("oidc_backchannel_logout", oidc_backchannel_logout)
        };
        let mut document = match change {
            Member::Absent => Map::new(),
            Member::Null => OidcLogoutChange::defaults().document(object)?,
            Member::Is(change) => change.document(object)?,
        };
        for (setting, value) in [("client_name", name), ("id_token_signed_response_alg", alg)] {
            document.extend(value.sets(Value::Null).map(|value| (setting.to_owned(), value)));
        }
        Ok(Self { document, oidc_logout: object })
    }

    /// Auth0's name for a setting, in this body.
    pub(super) fn name(&self, setting: &str) -> String {
        let member = match setting {
            "client_name" => return "name".to_owned(),
            "id_token_signed_response_alg" => return "jwt_configuration.alg".to_owned(),
            "backchannel_logout_uri" => "backchannel_logout_urls",
            "initiators" => "backchannel_logout_initiators",
            "session_metadata" => "backchannel_logout_session_metadata",
            other => other,
        };
        format!("{}.{member}", self.oidc_logout)
    }

    /// The path in this body of what a document has at `path`.
    pub(super) fn path(&self, path: &str) -> String {
        let end = path.find(['.', '[']).unwrap_or(path.len());
        let (setting, rest) = path.split_at(end);
        let value = match setting {
            "backchannel_logout_uri" => "[0]",
            "initiators" => ".selected_initiators",
            "session_metadata" => ".include",
            _ => "",
        };
        format!("{}{value}{rest}", self.name(setting))
    }
}
