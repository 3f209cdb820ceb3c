//! Splits and decodes a compact JWS without trusting its content.
//!
//! Parsing never fails: an unreadable part is stored with the reason, so that the rules for it are skipped and the rest is
//! still shown.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::json;

/// A logout token as received. It has no `Debug`, because it is a credential.
pub struct Token {
    /// Why it is not a compact JWS.
    pub(super) flaw: Option<String>,
    pub(super) header: Part,
    pub(super) payload: Part,
    /// What was signed: the first two parts and the dot between them.
    pub(super) signed: String,
    pub(super) signature: Vec<u8>,
}

/// The header or the payload.
pub(super) enum Part {
    /// There are no bytes; the token's flaw says why.
    Missing,
    /// Not a JSON object, and why.
    Unreadable(String),
    /// A JSON object, and the names that occur twice in it.
    Object(Map<String, Value>, Vec<String>),
}

impl Token {
    /// Takes a token apart.
    pub fn parse(text: &str) -> Self {
        let parts: Vec<&str> = text.split('.').collect();
        let [header, payload, signature] = parts[..] else {
            return Self {
                flaw: Some(wrong_count(parts.len(), text.is_empty())),
                header: Part::Missing,
                payload: Part::Missing,
                signed: String::new(),
                signature: Vec::new(),
            };
        };
        let mut flaw = None;
        let mut decode = |name: &str, part: &str| match URL_SAFE_NO_PAD.decode(part) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                flaw.get_or_insert_with(|| format!("the {name} is not base64url without padding: {error}"));
                None
            }
        };
        let header_bytes = decode("header", header);
        let payload_bytes = decode("payload", payload);
        let signature = decode("signature", signature).unwrap_or_default();
        Self {
            header: Part::read(header_bytes),
            payload: Part::read(payload_bytes),
            flaw,
            signed: format!("{header}.{payload}"),
            signature,
        }
    }

    /// The header, if it can be read. Unverified.
    pub fn header(&self) -> Option<&Map<String, Value>> {
        self.header.object()
    }

    /// The claims, if they can be read. Unverified.
    pub fn claims(&self) -> Option<&Map<String, Value>> {
        self.payload.object()
    }

    /// The `kid`, if there is one. Unverified: it only says which key to look for.
    pub fn kid(&self) -> Option<&str> {
        self.header()?.get("kid")?.as_str().filter(|kid| !kid.is_empty())
    }
}

impl Part {
    fn read(bytes: Option<Vec<u8>>) -> Self {
        let Some(bytes) = bytes else { return Self::Missing };
        match json::parse(&bytes) {
            Ok(json::Parsed { value: Value::Object(object), repeated }) => Self::Object(object, repeated),
            Ok(_) => Self::Unreadable("it is JSON, but not an object".to_owned()),
            Err(error) => Self::Unreadable(format!("it is not JSON: {error}")),
        }
    }

    fn object(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::Object(object, _) => Some(object),
            Self::Missing | Self::Unreadable(_) => None,
        }
    }
}

fn wrong_count(count: usize, empty: bool) -> String {
    match count {
        _ if empty => "the token is empty".to_owned(),
        5 => "it has five parts: an encrypted token (JWE), which is not read here".to_owned(),
        1 => "it is one part, not three separated by dots".to_owned(),
        _ => format!("it has {count} parts separated by dots, not three"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaw(text: &str) -> Option<String> {
        Token::parse(text).flaw
    }

    #[test]
    fn what_is_no_compact_jws_says_why() {
        for (text, expected) in [
            ("", "the token is empty"),
            ("e30", "it is one part"),
            ("e30.e30", "it has 2 parts"),
            ("a.b.c.d", "it has 4 parts"),
            ("a.b.c.d.e", "it has five parts: an encrypted token"),
            ("e30=.e30.AA", "the header is not base64url"),
            ("e30.e+0.AA", "the payload is not base64url"),
            ("e30.e30.A\n", "the signature is not base64url"),
            // Not canonical: the last bits are dropped by a lax decoder, so two texts would be one token.
            ("e30.e30.AB", "the signature is not base64url"),
        ] {
            assert!(flaw(text).is_some_and(|flaw| flaw.starts_with(expected)), "{text}: {:?}", flaw(text));
        }
        assert_eq!(flaw("e30.e30.AA"), None);
        // Unsigned is a matter of the signature, not of the form (RFC 7515 §7.1).
        assert_eq!(flaw("e30.e30."), None);
    }

    #[test]
    fn one_unreadable_part_does_not_hide_the_other() {
        let token = Token::parse("?.eyJzaWQiOiJzIn0.AA");
        assert!(token.header().is_none());
        assert_eq!(token.claims().unwrap()["sid"], "s");
        let token = Token::parse("eyJraWQiOiJrIn0.W10.AA");
        assert_eq!(token.kid(), Some("k"));
        assert!(matches!(&token.payload, Part::Unreadable(why) if why.contains("not an object")));
    }
}
