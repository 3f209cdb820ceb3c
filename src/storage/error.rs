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
    /// A row holds what this program never wrote. It says where and never what, which may be anybody's.
    #[error("a row of the store cannot be read{}: {column} {problem}", of(.row.as_ref()))]
    Corrupt {
        /// Which row, where that is known.
        row: Option<RowName>,
        /// The column.
        column: &'static str,
        /// What is wrong with its value.
        problem: &'static str,
    },
}

/// Which row: for an operator, who can find it by this.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RowName {
    /// The table.
    pub table: &'static str,
    /// What tells the row from the table's others: the values of its primary key, as hexadecimal digits where they
    /// are bytes.
    pub key: String,
}

fn of(row: Option<&RowName>) -> String {
    row.map(|RowName { table, key }| format!(" (table {table}, row {key})")).unwrap_or_default()
}

impl StorageError {
    /// Whether the whole store refuses, so that trying the same piece by piece would not help and trying it
    /// later may: it is full, read-only, locked, broken or out of reach. Everything else is the fault of what was
    /// asked, or of one row.
    pub fn is_outage(&self) -> bool {
        let Self::Database(error) = self else { return false };
        match error {
            sqlx::Error::Database(_) => sqlite_code(error).is_some_and(is_sqlite_outage),
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
        matches!(self, Self::Database(error) if sqlite_code(error) == Some(primary::INTERRUPT))
    }

    /// Whether one row is to blame, which holds what cannot be read.
    pub fn is_corrupt(&self) -> bool {
        matches!(self, Self::Corrupt { .. })
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

/// Whether another connection holds what this one needs, for the moment.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    matches!(sqlite_code(error), Some(primary::BUSY | primary::LOCKED | primary::PROTOCOL))
}

/// SQLite's primary result codes (<https://www.sqlite.org/rescode.html>), those that are told apart.
mod primary {
    pub(super) const PERM: u32 = 3;
    pub(super) const BUSY: u32 = 5;
    pub(super) const LOCKED: u32 = 6;
    pub(super) const NOMEM: u32 = 7;
    pub(super) const READONLY: u32 = 8;
    pub(super) const INTERRUPT: u32 = 9;
    pub(super) const IOERR: u32 = 10;
    pub(super) const FULL: u32 = 13;
    pub(super) const CANTOPEN: u32 = 14;
    pub(super) const PROTOCOL: u32 = 15;
    pub(super) const NOLFS: u32 = 22;
    pub(super) const NOTADB: u32 = 26;
}

fn is_sqlite_outage(code: u32) -> bool {
    match code {
        // Others hold it, or held it for longer than was waited.
        primary::BUSY | primary::LOCKED | primary::PROTOCOL => true,
        // The disk, or who may use it.
        primary::PERM | primary::READONLY | primary::IOERR | primary::FULL | primary::CANTOPEN => true,
        // The file cannot grow on this file system, or its first page is not what it was: no statement works.
        primary::NOLFS | primary::NOTADB => true,
        // The process has no memory for it: that says nothing of what was asked.
        primary::NOMEM => true,
        // A damaged page (CORRUPT, 11) is met by those who need that page. The others must not wait for them, so
        // it is tried piece by piece. Constraints, values that are too big and mistakes in statements likewise.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::error::Error;
    use std::fmt;

    use sqlx::error::{DatabaseError, ErrorKind};

    use super::*;

    /// An error of SQLite's with this extended code.
    #[derive(Debug)]
    struct Coded(u32);

    impl fmt::Display for Coded {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "code {}", self.0)
        }
    }

    impl Error for Coded {}

    impl DatabaseError for Coded {
        fn message(&self) -> &'static str {
            "it failed"
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.to_string().into())
        }

        fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    /// Extended codes of <https://www.sqlite.org/rescode.html>, by hand.
    #[test]
    fn what_the_whole_store_refuses_is_told_from_what_one_row_is_to_blame_for() {
        for (code, outage) in [
            (3, true),
            (5, true),
            (261, true), // BUSY_RECOVERY
            (517, true), // BUSY_SNAPSHOT
            (773, true), // BUSY_TIMEOUT
            (6, true),
            (262, true), // LOCKED_SHAREDCACHE
            (7, true),
            (3082, true), // IOERR_NOMEM
            (8, true),
            (1032, true), // READONLY_DBMOVED
            (9, false),
            (10, true),
            (266, true),  // IOERR_READ
            (522, true),  // IOERR_SHORT_READ
            (778, true),  // IOERR_WRITE
            (1034, true), // IOERR_FSYNC
            (4874, true), // IOERR_SHMSIZE
            (13, true),
            (14, true),
            (270, true), // CANTOPEN_NOTEMPDIR
            (15, true),
            (22, true),
            (26, true),
            (1, false),
            (11, false),
            (267, false), // CORRUPT_VTAB
            (18, false),
            (19, false),
            (275, false),  // CONSTRAINT_CHECK
            (1555, false), // CONSTRAINT_PRIMARYKEY
            (2067, false), // CONSTRAINT_UNIQUE
            (20, false),
            (21, false),
        ] {
            let error = StorageError::Database(sqlx::Error::Database(Box::new(Coded(code))));
            assert_eq!(error.is_outage(), outage, "{code}");
        }
        assert!(StorageError::Database(sqlx::Error::PoolTimedOut).is_outage());
        assert!(!StorageError::Database(sqlx::Error::RowNotFound).is_outage());
    }
}
