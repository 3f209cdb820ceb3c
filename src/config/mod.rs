//! The configuration: a TOML file and the environment, parsed into types that hold only valid values.
//!
//! All problems are reported at once, each with file, line, column and key. Only the file and the files of secrets are
//! read; other files, keys and addresses are checked where they are used. Relative paths are relative to the working
//! directory.

mod access;
mod audit;
mod clients;
mod delivery;
mod duration;
mod egress;
mod environment;
mod issuer;
mod keys;
mod logging;
mod management;
mod metadata;
mod pairwise;
mod problem;
mod reader;
pub mod secret;
mod server;
mod sessions;
mod source;
mod store;
mod tls;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::domain::client::Client;
use crate::domain::session::Lifetimes;
use crate::files;

pub use self::access::{Access, Jwt};
pub use self::audit::Audit;
pub use self::delivery::{Delivery, MAX_SCHEDULE};
pub use self::egress::Egress;
pub use self::issuer::{Issuer, IssuerUrl, IssuerUrlError};
pub use self::keys::Keys;
pub use self::logging::{Log, LogFormat};
pub use self::management::Management;
pub use self::metadata::Metadata;
pub use self::pairwise::Pairwise;
pub use self::problem::{ConfigErrors, Place, Problem};
pub use self::server::Server;
pub use self::store::{Store, StoreUrl, StoreUrlError};
pub use self::tls::{ClientAuth, ClientCertificate, Tls};

use self::environment::Environment;
use self::pairwise::Salt;
use self::reader::{Report, Section};

/// The largest configuration file, in bytes: enough for tens of thousands of clients.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// The whole configuration, with defaults filled in and without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `[issuer]`.
    pub issuer: Issuer,
    /// `[server]`.
    pub server: Server,
    /// `[management]`.
    pub management: Management,
    /// `[access]`.
    pub access: Access,
    /// `[store]`.
    pub store: Store,
    /// `[keys]`.
    pub keys: Keys,
    /// `[sessions]`.
    pub sessions: Lifetimes,
    /// `[delivery]`.
    pub delivery: Delivery,
    /// `[egress]`.
    pub egress: Egress,
    /// `[metadata]`.
    pub metadata: Metadata,
    /// `[audit]`.
    pub audit: Audit,
    /// `[log]`.
    pub log: Log,
    /// `[[clients]]`, in the order of the file; no `client_id` is there twice.
    pub clients: Vec<Client>,
}

/// A configuration, its secrets, and the places of its keys.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// An API token with every scope, from `LOGOUTD_BOOTSTRAP_TOKEN` or `LOGOUTD_BOOTSTRAP_TOKEN_FILE`.
    pub bootstrap_token: Option<SecretString>,
    /// `issuer.pairwise.salt` or `issuer.pairwise.salt_file`: the OP's salt for pairwise subjects.
    pub pairwise_salt: Option<SecretString>,
    report: Report,
}

impl Config {
    /// Loads the file at `path`, with `env` (all of the environment, as `std::env::vars_os` gives it)
    /// overriding its keys.
    pub fn load(
        path: &Path,
        env: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Loaded, ConfigErrors> {
        let text = files::read_text_once(path, MAX_FILE_BYTES).map_err(|error| {
            let error: io::Error = error.into();
            let message = match error.kind() {
                io::ErrorKind::NotFound => {
                    "there is no such file; name the configuration with --config PATH".to_owned()
                }
                io::ErrorKind::InvalidData => "must be UTF-8".to_owned(),
                _ => format!("cannot read it: {error}"),
            };
            Problem { file: path.to_owned(), place: Place::File, key: String::new(), message }
        })?;
        Self::parse(path, &text, env)
    }

    /// Parses `text`. The `path` is for messages only.
    pub fn parse(
        path: &Path,
        text: &str,
        env: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Loaded, ConfigErrors> {
        let mut report = Report::new(path.to_owned());
        let table = source::parse(text).map_err(|error| report.problem_at(error.place, "", error.message))?;
        let mut environment = Environment::read(env, &mut report);
        let table = environment.merge_into(table, &mut report);
        let (config, salt) = reader::read_document(&mut report, table, Self::read);
        let (token, file) = (environment.bootstrap_token, environment.bootstrap_token_file);
        let bootstrap_token = bootstrap_token(token, file, &mut report);
        report.check()?;
        let config = config.expect("what is required and missing was reported");
        let pairwise_salt = match salt {
            Salt::Given(salt) => Some(salt),
            Salt::Missing | Salt::Unusable => None,
        };
        Ok(Loaded { config, bootstrap_token, pairwise_salt, report })
    }

    fn read(root: &mut Section<'_>) -> (Option<Self>, Salt) {
        let (issuer, salt) = root.table("issuer", Issuer::read);
        let server = root.table("server", Server::read);
        let management = root.table("management", |section| Management::read(section, &server));
        let access = root.table("access", Access::read);
        let store = root.table("store", Store::read);
        let keys = root.table("keys", Keys::read);
        let sessions = root.table("sessions", sessions::read);
        let delivery = root.table("delivery", Delivery::read);
        let egress = root.table("egress", Egress::read);
        let metadata = root.table("metadata", Metadata::read);
        let audit = root.table("audit", Audit::read);
        let log = root.table("log", Log::read);
        let clients = clients::read(root, &salt);
        let config = issuer.map(|issuer| Self {
            issuer,
            server,
            management,
            access,
            store,
            keys,
            sessions,
            delivery,
            egress,
            metadata,
            audit,
            log,
            clients,
        });
        (config, salt)
    }
}

impl Loaded {
    /// A problem that the caller found with the value of `key` (such as `clients[1].backchannel_logout_uri`), at the
    /// value's place; or, if it is a default, at that of its table.
    pub fn problem(&self, key: &str, message: impl Into<String>) -> Problem {
        self.report.locate(key, message)
    }
}

fn bootstrap_token(
    token: Option<SecretString>,
    file: Option<PathBuf>,
    report: &mut Report,
) -> Option<SecretString> {
    let variable = if token.is_some() { "LOGOUTD_BOOTSTRAP_TOKEN" } else { "LOGOUTD_BOOTSTRAP_TOKEN_FILE" };
    let token = secret::resolve(token, file).and_then(|token| token.map(secret::bearer).transpose());
    token
        .map_err(|error| report.add_at(Place::Variable(variable.to_owned()), "", error.to_string()))
        .ok()
        .flatten()
}
