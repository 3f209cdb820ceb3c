//! URIs of a client's registration, whose text counts byte for byte.

/// Defines a URI that is kept beside its parsed form.
///
/// Its `check` says what is asked of the parsed URI. `$error` has the variants `TooLong` and `Uri(UriError)`.
macro_rules! written_uri {
    ($(#[$docs:meta])* $name:ident, $error:ident) => {
        $(#[$docs])*
        #[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name {
            text: String,
            url: url::Url,
        }

        impl $name {
            /// The longest URI, in bytes.
            pub const MAX_BYTES: usize = 2048;

            /// The text, as it was registered.
            pub fn as_str(&self) -> &str {
                &self.text
            }

            /// The parsed URI.
            pub fn url(&self) -> &url::Url {
                &self.url
            }

            /// Reads a stored URI. It may have been registered under less strict rules than today's, and is still the
            /// client's: an attempt to use it may fail.
            ///
            /// # Errors
            /// If it is not a URL at all.
            pub fn from_stored(text: String) -> Result<Self, url::ParseError> {
                let url = url::Url::parse(&text)?;
                Ok(Self { text, url })
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, $error> {
                if text.len() > Self::MAX_BYTES {
                    return Err($error::TooLong);
                }
                let url = $crate::domain::uri::parse(&text)?;
                Self::check(&url)?;
                Ok(Self { text, url })
            }
        }

        impl std::str::FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(uri: $name) -> Self {
                uri.text
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&self.text, f)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.text)
            }
        }
    };
}

pub(super) use written_uri;
