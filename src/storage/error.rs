//! Why an operation on the store failed.

/// Why an operation on the store failed. None of these is the caller's fault, and nothing was changed:
/// the same call may succeed later.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The database could not be opened.
    #[error("the store {url} could not be opened{hint}")]
    Open {
        /// Which, without credentials.
        url: String,
        /// What to look at first, if there is a guess.
        hint: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database refused or broke off.
    #[error("the store is not available")]
    Database(#[from] sqlx::Error),
    /// A row holds what this program never wrote.
    #[error("column {column} holds a value that is not valid")]
    Corrupt {
        /// Where.
        column: &'static str,
        /// Why it is not valid.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StorageError {
    /// Whether the whole store refuses, so that trying the same piece by piece would not help: it is full,
    /// read-only, locked or out of reach.
    pub fn is_outage(&self) -> bool {
        let Self::Database(error) = self else { return false };
        match error {
            sqlx::Error::Database(error) => {
                error.code().and_then(|code| code.parse::<u32>().ok()).is_some_and(is_sqlite_outage)
            }
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            _ => false,
        }
    }

    /// Whether a list was ended since it would have looked at too many rows. Then the store is well, and the
    /// same call fails again.
    pub fn is_cut_off(&self) -> bool {
        const INTERRUPT: u32 = 9;
        matches!(self, Self::Database(error) if sqlite_code(error) == Some(INTERRUPT))
    }
}

/// SQLite's primary result code, which is the low byte of an extended one
/// (<https://www.sqlite.org/rescode.html>).
fn sqlite_code(error: &sqlx::Error) -> Option<u32> {
    let extended: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}

/// What to look at first when SQLite could not open its file.
pub(super) fn opening_hint(error: &sqlx::Error) -> &'static str {
    match sqlite_code(error) {
        // What SQLite calls an I/O error is, on a full disk, that its files cannot grow.
        Some(10 | 13) => "; is its disk full?",
        Some(8 | 14) => "; may the file and its folder be written?",
        _ => "",
    }
}

fn is_sqlite_outage(code: u32) -> bool {
    const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    const READONLY: u32 = 8;
    const IOERR: u32 = 10;
    const FULL: u32 = 13;
    const CANTOPEN: u32 = 14;
    [BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN].contains(&code)
}
