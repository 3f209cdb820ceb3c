//! The settings of a client as options, which become members of the API's body, or that body in a file.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::cli::input::read_object;
use crate::domain::algorithm::SigningAlg;
use crate::domain::client::document::Choice as _;
use crate::domain::client::{LogoutUri, SubjectLogout, SubjectType, TokenSubject, TokenTyp};
use crate::domain::initiator::{Initiator, Initiators, UnknownInitiator};
use crate::domain::metadata::MetadataChoice;
use crate::domain::sector::SectorIdentifierUri;

/// The id of the group of all options. A file is given instead of them.
pub(super) const GROUP: &str = "options";

/// Settings of a client, named as members of the body. What is not given stays as it is, or is the default of a new
/// client.
#[derive(Debug, Args, Serialize)]
#[group(id = GROUP, multiple = true)]
pub(super) struct ClientOptions {
    /// Its name, for people
    #[arg(long)]
    #[serde(rename = "client_name")]
    name: Option<String>,
    /// Where its logout tokens go: its `backchannel_logout_uri`
    #[arg(long, value_name = "URL")]
    #[serde(rename = "backchannel_logout_uri")]
    logout_uri: Option<LogoutUri>,
    /// Its tokens must have a `sid`
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[serde(rename = "backchannel_logout_session_required")]
    session_required: Option<bool>,
    /// What its tokens are signed with: RS256 (the default), RS384, RS512, PS256, PS384, PS512, ES256, ES384
    /// or `EdDSA`
    #[arg(long)]
    #[serde(rename = "id_token_signed_response_alg")]
    alg: Option<SigningAlg>,
    /// The initiators it is subscribed to: all, or some with commas (rp-logout,idp-logout is the default)
    #[arg(long, value_name = "all|INITIATORS", value_parser = parse_initiators)]
    initiators: Option<Initiators>,
    /// Which session metadata its tokens carry: none (the default), all, or some keys with commas
    #[arg(long, value_name = "none|all|KEYS", value_parser = parse_metadata)]
    session_metadata: Option<MetadataChoice>,
    /// How long its tokens are valid, such as 2m (the default)
    #[arg(long, value_name = "DURATION")]
    #[serde(rename = "token.ttl")]
    token_ttl: Option<String>,
    /// The `typ` of its tokens' header
    #[arg(long, value_name = "TYP", value_parser = PossibleValuesParser::new(TokenTyp::names()))]
    #[serde(rename = "token.typ")]
    token_typ: Option<String>,
    /// Which of `sid` and `sub` its tokens carry
    #[arg(long, value_name = "CLAIMS", value_parser = PossibleValuesParser::new(TokenSubject::names()))]
    #[serde(rename = "token.subject")]
    token_subject: Option<String>,
    /// When every session of a user ends: a token for each session, or one with the `sub` alone
    #[arg(long, value_name = "CLAIM", value_parser = PossibleValuesParser::new(SubjectLogout::names()))]
    subject_logout: Option<String>,
    /// Whether it knows users by a `sub` of its own
    #[arg(long, value_name = "TYPE", value_parser = PossibleValuesParser::new(SubjectType::names()))]
    subject_type: Option<String>,
    /// What groups the clients that share pairwise subjects: its `sector_identifier_uri`
    #[arg(long, value_name = "URL")]
    sector_identifier_uri: Option<SectorIdentifierUri>,
    /// What kind of client it is, such as spa or `regular_web`; nothing here acts on it
    #[arg(long, value_name = "TYPE")]
    app_type: Option<String>,
}

/// The body in a file.
#[derive(Debug, Args)]
pub(super) struct BodyFile {
    /// A JSON file with the body that the API takes, in OpenID's or Auth0's members, instead of the options
    /// above; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = [GROUP, "switches"])]
    from_file: Option<PathBuf>,
}

impl ClientOptions {
    /// As members of the body; those of `token` are in an object.
    pub(super) fn members(&self) -> Map<String, Value> {
        let Ok(Value::Object(options)) = serde_json::to_value(self) else {
            unreachable!("options are strings, lists and switches");
        };
        let mut members = Map::new();
        for (name, value) in options.into_iter().filter(|(_, value)| !value.is_null()) {
            match name.split_once('.') {
                Some((group, name)) => members.entry(group).or_insert_with(|| json!({}))[name] = value,
                None => drop(members.insert(name, value)),
            }
        }
        members
    }
}

impl BodyFile {
    /// The body: the file's, or `members` where there is no file.
    pub(super) fn or(self, members: Map<String, Value>) -> anyhow::Result<Map<String, Value>> {
        self.from_file.map_or(Ok(members), |file| read_object(&file))
    }
}

fn parse_initiators(text: &str) -> Result<Initiators, UnknownInitiator> {
    match text {
        "all" => Ok(Initiators::All),
        names => names
            .split(',')
            .map(|name| name.trim().parse::<Initiator>())
            .collect::<Result<_, _>>()
            .map(Initiators::Selected),
    }
}

fn parse_metadata(text: &str) -> Result<MetadataChoice, serde_json::Error> {
    match text {
        "none" => Ok(MetadataChoice::None),
        "all" => Ok(MetadataChoice::All),
        keys => serde_json::from_value(json!(keys.split(',').map(str::trim).collect::<Vec<_>>())),
    }
}
