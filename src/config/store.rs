//! `[store]`: the database, and for how long it keeps what is finished.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use url::Url;

use super::duration::{DAY, within};
use super::reader::Section;
use super::source::{Parsed, Value};

/// The longest `retention`: ten years.
const MAX_RETENTION: Duration = Duration::from_hours(24 * 3650);

/// `[store]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// The database.
    pub url: StoreUrl,
    /// How long finished deliveries, their attempts and ended sessions are kept; 30 days by default, from a
    /// second to ten years.
    pub retention: Duration,
}

impl Store {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            url: section.optional("url", store_url).unwrap_or_default(),
            retention: section
                .optional("retention", within(Duration::from_secs(1), MAX_RETENTION))
                .unwrap_or(30 * DAY),
        }
    }
}

/// The URL of a supported database. It is printed without a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// A SQLite file: `sqlite://` and its path, taken as it is. A relative path is relative to the working
    /// directory.
    Sqlite(PathBuf),
}

impl Default for StoreUrl {
    fn default() -> Self {
        Self::Sqlite(PathBuf::from("logoutd.db"))
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
        }
    }
}

/// Why a string is not a [`StoreUrl`]. The string may contain a password and is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreUrlError {
    /// Neither SQLite nor PostgreSQL.
    #[error("must begin with sqlite://, such as \"sqlite://logoutd.db\"")]
    Scheme,
    /// No path, or one that SQLite would not take for the name of a file.
    #[error("must have the path of a file after sqlite://, without ? and #")]
    Path,
    /// PostgreSQL.
    #[error("PostgreSQL is not supported by this build yet; use sqlite://, such as \"sqlite://logoutd.db\"")]
    Postgres,
    /// `postgres://`, and not a URL.
    #[error("must be a URL such as \"postgres://user@host/database\"")]
    PostgresUrl,
}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, StoreUrlError> {
        if let Some(path) = text.strip_prefix("sqlite://") {
            // SQLite's in-memory database would lose acknowledged events.
            if path.is_empty() || path.starts_with(':') || path.contains(['?', '#', '\0']) {
                return Err(StoreUrlError::Path);
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            Url::parse(text).map_err(|_| StoreUrlError::PostgresUrl)?;
            return Err(StoreUrlError::Postgres);
        }
        Err(StoreUrlError::Scheme)
    }
}

fn store_url(value: &Value) -> Parsed<StoreUrl> {
    value.text()?.parse().map_err(|error: StoreUrlError| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_sqlite_file() {
        for (text, path) in [
            ("sqlite://logoutd.db", "logoutd.db"),
            ("sqlite:///var/lib/logoutd/a b.db", "/var/lib/logoutd/a b.db"),
            ("sqlite://data/logoutd.db", "data/logoutd.db"),
        ] {
            let url: StoreUrl = text.parse().unwrap();
            assert_eq!(url, StoreUrl::Sqlite(PathBuf::from(path)));
            assert_eq!(url.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_store_is_refused_without_showing_it() {
        for (text, expected) in [
            ("sqlite://", StoreUrlError::Path),
            ("sqlite://:memory:", StoreUrlError::Path),
            ("sqlite://a.db?mode=memory", StoreUrlError::Path),
            ("sqlite:a.db", StoreUrlError::Scheme),
            ("logoutd.db", StoreUrlError::Scheme),
            ("mysql://user:hunter2@host/db", StoreUrlError::Scheme),
            ("postgres://user:hunter2@host/db", StoreUrlError::Postgres),
            ("postgresql://host/db", StoreUrlError::Postgres),
            ("postgres://user:hunter2@[host/db", StoreUrlError::PostgresUrl),
        ] {
            let error = text.parse::<StoreUrl>().unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
