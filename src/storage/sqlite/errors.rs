//! Sorts the errors of `sqlx` and SQLite into [`StorageError`]s, by SQLite's result codes
//! (<https://www.sqlite.org/rescode.html>).

use sqlx::Error;

use crate::storage::{Rejection, StorageError};

/// Primary result codes: the low byte of an extended one.
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

/// The extended code for a transaction that read something another connection has changed since.
const BUSY_SNAPSHOT: u32 = 517;

impl From<Error> for StorageError {
    fn from(error: Error) -> Self {
        match &error {
            Error::Database(_) => match extended_code(&error) {
                Some(BUSY_SNAPSHOT) => Self::Conflict(error.into()),
                Some(code) if is_unavailable(code & 0xff) => Self::Unavailable(error.into()),
                Some(code) if code & 0xff == primary::INTERRUPT => {
                    Self::Rejected { reason: Rejection::TooBroad, source: error.into() }
                }
                _ => Self::Rejected { reason: Rejection::Other, source: error.into() },
            },
            Error::Io(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed => {
                Self::Unavailable(error.into())
            }
            _ => Self::Rejected { reason: Rejection::Other, source: error.into() },
        }
    }
}

/// Whether another connection holds a lock that this one needs.
pub(super) fn is_locked_out(error: &Error) -> bool {
    matches!(primary_code(error), Some(primary::BUSY | primary::LOCKED | primary::PROTOCOL))
}

/// What an operator should check first when SQLite could not open its file.
pub(super) fn opening_hint(error: &Error) -> &'static str {
    match primary_code(error) {
        // On a full disk, SQLite reports an I/O error where its files cannot grow.
        Some(primary::IOERR | primary::FULL) => "; is its disk full?",
        Some(primary::READONLY | primary::CANTOPEN) => "; may the file and its folder be written?",
        _ => "",
    }
}

fn extended_code(error: &Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

fn primary_code(error: &Error) -> Option<u32> {
    extended_code(error).map(|code| code & 0xff)
}

fn is_unavailable(primary: u32) -> bool {
    match primary {
        // Another connection holds a lock, and held it for longer than the busy timeout.
        primary::BUSY | primary::LOCKED | primary::PROTOCOL => true,
        // The disk, or the rights to use it.
        primary::PERM | primary::READONLY | primary::IOERR | primary::FULL | primary::CANTOPEN => true,
        // The file system does not take files of this size, or the file's header is damaged: no statement works.
        primary::NOLFS | primary::NOTADB => true,
        // The process is out of memory, whatever the statement.
        primary::NOMEM => true,
        // A damaged page (CORRUPT, 11) only concerns the statements that read it; others must go on. The same
        // holds for constraints, values that are too large and mistakes in a statement.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
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

    impl std::error::Error for Coded {}

    impl DatabaseError for Coded {
        fn message(&self) -> &'static str {
            "it failed"
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.to_string().into())
        }

        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    fn classified(code: u32) -> StorageError {
        Error::Database(Box::new(Coded(code))).into()
    }

    /// Extended codes of <https://www.sqlite.org/rescode.html>, by hand.
    #[test]
    fn outages_are_distinguished_from_failures_of_one_statement() {
        for (code, is_transient) in [
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
            assert_eq!(classified(code).is_transient(), is_transient, "{code}");
        }
        assert!(StorageError::from(Error::PoolTimedOut).is_transient());
        assert!(!StorageError::from(Error::RowNotFound).is_transient());
    }

    #[test]
    fn only_a_changed_snapshot_is_a_conflict_and_only_an_interrupt_a_filter_that_is_too_broad() {
        for code in 1..=u32::from(u16::MAX) {
            let error = classified(code);
            assert_eq!(matches!(error, StorageError::Conflict(_)), code == BUSY_SNAPSHOT, "{code}");
            let too_broad = matches!(error, StorageError::Rejected { reason: Rejection::TooBroad, .. });
            assert_eq!(too_broad, code & 0xff == primary::INTERRUPT, "{code}");
        }
    }
}
