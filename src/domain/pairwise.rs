//! Subject identifiers: which `sub` is sent to a client, the OP's public one or a pairwise one (OpenID Connect Core
//! §8.1).
//!
//! [`Subjects::sub_for`] is the only way to choose the `sub` of a delivery, so that a pairwise client never receives
//! the public one. The formats are those of OPs that compute pairwise subjects from registered data and a salt; an OP
//! that stores random ones has to report them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use md5::{Digest as _, Md5};
use ring::digest::{Context, SHA256};
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use uuid::Builder;

use super::client::{Client, SubjectType};
use super::ids::Sub;

/// How an OP computes a pairwise `sub`. All formats begin with the SHA-256 of sector identifier, `sub` and salt,
/// concatenated as UTF-8 without separators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PairwiseFormat {
    /// Hexadecimal; the sector is the URI's host. The plain formula of OpenID Connect Core §8.1.
    #[default]
    Hex,
    /// base64url without padding; the sector is the URI's host. Nimbus and the Connect2id server.
    Base64url,
    /// A name-based UUID (version 3, MD5) of the hash, without a namespace; the sector is the URI's host as
    /// written. Keycloak's SHA-256 mapper.
    Keycloak,
    /// Hexadecimal; the sector is the whole `sector_identifier_uri`, or else the logout URI's host with its port, as
    /// written. Ory Hydra.
    Hydra,
    /// Hexadecimal; the sector is the host, with its port unless that is the scheme's default. The sample in
    /// node-oidc-provider's documentation.
    OidcProvider,
}

impl PairwiseFormat {
    /// Every format.
    pub const ALL: [Self; 5] = [Self::Hex, Self::Base64url, Self::Keycloak, Self::Hydra, Self::OidcProvider];

    /// Its name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::Base64url => "base64url",
            Self::Keycloak => "keycloak",
            Self::Hydra => "hydra",
            Self::OidcProvider => "oidc-provider",
        }
    }

    fn sector(self, client: &Client) -> Option<String> {
        let registered = client.sector_identifier_uri.as_ref();
        let (text, url) = match (registered, &client.backchannel_logout_uri) {
            (Some(uri), _) => (uri.as_str(), uri.url()),
            (None, Some(uri)) => (uri.as_str(), uri.url()),
            (None, None) => return None,
        };
        Some(match self {
            Self::Hex => url.host_str()?.to_owned(),
            Self::Base64url | Self::Keycloak => host_as_written(text).to_owned(),
            Self::Hydra if registered.is_some() => text.to_owned(),
            Self::Hydra => authority(text).to_owned(),
            Self::OidcProvider => host_and_port(url)?,
        })
    }

    fn write(self, hash: &[u8]) -> String {
        match self {
            Self::Hex | Self::Hydra | Self::OidcProvider => hex(hash),
            Self::Base64url => URL_SAFE_NO_PAD.encode(hash),
            Self::Keycloak => Builder::from_md5_bytes(Md5::digest(hash).into()).into_uuid().to_string(),
        }
    }
}

/// Computes pairwise subjects.
pub struct Pairwise {
    format: PairwiseFormat,
    salt: SecretString,
}

impl Pairwise {
    /// Uses this format and the OP's salt, byte for byte.
    pub fn new(format: PairwiseFormat, salt: SecretString) -> Self {
        Self { format, salt }
    }

    /// The `sub` of `client` for the user whose public `sub` is `public`; `None` if the client has no URI to take a
    /// sector from.
    fn compute(&self, client: &Client, public: &Sub) -> Option<Sub> {
        let sector = self.format.sector(client)?;
        let mut hash = Context::new(&SHA256);
        hash.update(sector.as_bytes());
        hash.update(public.as_str().as_bytes());
        hash.update(self.salt.expose_secret().as_bytes());
        let sub = self.format.write(hash.finish().as_ref());
        Some(Sub::try_from(sub).expect("every format gives 36 to 64 visible characters"))
    }
}

impl fmt::Debug for Pairwise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pairwise").field("format", &self.format).finish_non_exhaustive()
    }
}

/// The `sub` that is sent to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSub {
    /// The `sub`.
    pub sub: Sub,
    /// Whether it is the OP's public one.
    pub is_public: bool,
}

/// Chooses the `sub` for each client.
#[derive(Debug, Default)]
pub struct Subjects {
    pairwise: Option<Pairwise>,
}

impl Subjects {
    /// Without `pairwise`, pairwise clients receive only a `sub` that was reported for them.
    pub fn new(pairwise: Option<Pairwise>) -> Self {
        Self { pairwise }
    }

    /// Whether pairwise subjects can be computed.
    pub fn can_compute(&self) -> bool {
        self.pairwise.is_some()
    }

    /// The `sub` for `client`: the one reported for it (`own`), if any; else the `public` one, or for a pairwise
    /// client the one computed from it. A pairwise client never receives the public one, even if it was reported as
    /// its own.
    pub fn sub_for(&self, client: &Client, own: Option<&Sub>, public: Option<&Sub>) -> Option<ClientSub> {
        let pairwise = client.subject_type == SubjectType::Pairwise;
        if let Some(own) = own.filter(|own| !pairwise || public != Some(*own)) {
            return Some(ClientSub { sub: own.clone(), is_public: public == Some(own) });
        }
        let public = public?;
        if !pairwise {
            return Some(ClientSub { sub: public.clone(), is_public: true });
        }
        let sub = self.pairwise.as_ref()?.compute(client, public)?;
        Some(ClientSub { sub, is_public: false })
    }
}

/// Host and port, as written. These URIs have no credentials.
fn authority(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn host_as_written(text: &str) -> &str {
    let authority = authority(text);
    // The colons of an IPv6 address are inside its brackets.
    let after_address = authority.rfind(']').map_or(0, |end| end + 1);
    let port = authority[after_address..].find(':').map(|colon| after_address + colon);
    &authority[..port.unwrap_or(authority.len())]
}

fn host_and_port(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    // `Url` drops the port of the scheme, as browsers and Node do.
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(logout_uri: &str, sector_identifier_uri: Option<&str>) -> Client {
        Client {
            backchannel_logout_uri: (!logout_uri.is_empty()).then(|| logout_uri.parse().unwrap()),
            subject_type: SubjectType::Pairwise,
            sector_identifier_uri: sector_identifier_uri.map(|text| text.parse().unwrap()),
            ..Client::new("rp".parse().unwrap())
        }
    }

    fn subjects(format: PairwiseFormat) -> Subjects {
        Subjects::new(Some(Pairwise::new(format, SecretString::from("s3cr3t-salt"))))
    }

    fn sub(text: &str) -> Sub {
        text.parse().unwrap()
    }

    #[test]
    fn each_format_gives_the_same_sub_as_its_op() {
        use PairwiseFormat::{Base64url, Hex, Hydra, Keycloak, OidcProvider};
        // Computed with Python's hashlib, following the OPs' sources.
        let plain = "https://rp.example.com/sector.json";
        let odd = "https://RP.example.com:8443/sector.json";
        let ipv6 = "https://[2001:db8::1]:8443/";
        for (format, uri, expected) in [
            (Hex, plain, "6fedf12efb6ae2f00d2bb3999efb82c14c7ed54357b87903d132b9abddcd75d9"),
            (Hex, odd, "6fedf12efb6ae2f00d2bb3999efb82c14c7ed54357b87903d132b9abddcd75d9"),
            (Hex, ipv6, "a4bbe0ed349f0c091f2a564087f9f21275c9cbb682b57f267dfc9cd385993265"),
            (Base64url, plain, "b-3xLvtq4vANK7OZnvuCwUx-1UNXuHkD0TK5q93Nddk"),
            (Base64url, odd, "uEaQ8-RlZLv_lX3i9vuQUSc9hMBlJthXl_Wo306j1Ts"),
            (Keycloak, plain, "4c3e39a3-c156-33a4-800e-122ac48b48d5"),
            (Keycloak, odd, "b7e09aac-13a4-33bb-84bc-b5b1c6e11831"),
            (Keycloak, ipv6, "0a407ec9-f32e-312d-b6a2-3cfd54e96f30"),
            (Hydra, odd, "82ff3542d8175d7992dfcac686949b813c9c3c2f300735ada1ffe08aab2799a4"),
            (OidcProvider, plain, "6fedf12efb6ae2f00d2bb3999efb82c14c7ed54357b87903d132b9abddcd75d9"),
            (OidcProvider, odd, "6986a97129009beb2ab857a64ee349a35730929832e4c179301f7b6de520f763"),
        ] {
            let client = client("https://elsewhere.example.com/logout", Some(uri));
            let chosen = subjects(format).sub_for(&client, None, Some(&sub("alice"))).unwrap();
            assert_eq!((chosen.sub.as_str(), chosen.is_public), (expected, false), "{format:?} {uri}");
        }
    }

    #[test]
    fn the_host_keeps_its_written_form() {
        for (uri, host) in [
            ("https://RP.example.com:8443/x:y", "RP.example.com"),
            ("https://RP.example.com?x:y", "RP.example.com"),
            ("https://[2001:db8::1]/", "[2001:db8::1]"),
            ("https://[2001:db8::]:8443", "[2001:db8::]"),
        ] {
            assert_eq!(host_as_written(uri), host);
        }
    }

    #[test]
    fn without_a_sector_identifier_uri_the_logout_uri_is_used() {
        use PairwiseFormat::{Hex, Hydra, OidcProvider};
        for (format, uri, expected) in [
            (
                Hex,
                "https://rp.example.com:8443/logout?x",
                "6fedf12efb6ae2f00d2bb3999efb82c14c7ed54357b87903d132b9abddcd75d9",
            ),
            (
                Hydra,
                "https://RP.example.com:8443?x",
                "8e65f13ce7bee4f106d7a4c945e27dc9506b7fb53677d5a32322f45592b305e1",
            ),
            (
                Hydra,
                "https://rp.example.com:443/logout",
                "34f996c8a1127792a60dd2ccd126636a2d8172c0c8f37f50a502e52c3b228108",
            ),
            (
                OidcProvider,
                "https://rp.example.com:443/logout",
                "6fedf12efb6ae2f00d2bb3999efb82c14c7ed54357b87903d132b9abddcd75d9",
            ),
        ] {
            let chosen = subjects(format).sub_for(&client(uri, None), None, Some(&sub("alice"))).unwrap();
            assert_eq!(chosen.sub.as_str(), expected, "{format:?} {uri}");
        }
        assert_eq!(subjects(Hex).sub_for(&client("", None), None, Some(&sub("alice"))), None);
    }

    #[test]
    fn a_reported_sub_wins_and_the_public_one_never_reaches_a_pairwise_client() {
        let (alice, own) = (sub("alice"), sub("p-1"));
        let pairwise = client("https://rp.example.com/logout", None);
        let public = Client { subject_type: SubjectType::Public, ..pairwise.clone() };
        let expected = |sub: &Sub, is_public| Some(ClientSub { sub: sub.clone(), is_public });
        for subjects in [Subjects::default(), subjects(PairwiseFormat::Hex)] {
            assert_eq!(subjects.sub_for(&public, None, Some(&alice)), expected(&alice, true));
            assert_eq!(subjects.sub_for(&public, None, None), None);
            assert_eq!(subjects.sub_for(&pairwise, None, None), None);
            for client in [&public, &pairwise] {
                assert_eq!(subjects.sub_for(client, Some(&own), Some(&alice)), expected(&own, false));
                assert_eq!(subjects.sub_for(client, Some(&own), None), expected(&own, false));
            }
            for own in [None, Some(&alice)] {
                let chosen = subjects.sub_for(&pairwise, own, Some(&alice));
                assert_eq!(chosen.is_some(), subjects.can_compute());
                assert!(chosen.is_none_or(|chosen| chosen.sub != alice && !chosen.is_public));
            }
        }
    }

    #[test]
    fn a_salt_is_not_shown() {
        let shown = format!("{:?}", subjects(PairwiseFormat::Hydra));
        assert!(shown.contains("Hydra") && !shown.contains("s3cr3t"), "{shown}");
    }
}
