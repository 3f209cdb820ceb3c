//! Why an operation on the store failed, in terms of any database.
//!
//! A backend sorts its own errors into these. The variant decides what a caller does: try again later, run the
//! transaction again, or give up.

/// A database's own error, kept for the log.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why an operation on the store failed.
///
/// Nothing was changed, with one exception: where a commit ends with [`Unavailable`](Self::Unavailable), it may have
/// been carried out and only its answer lost.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The whole store cannot be used: it is out of reach, overloaded, full, read-only or broken. The same call may
    /// succeed later; other calls fail too.
    #[error("the store is not available")]
    Unavailable(#[source] Cause),
    /// Another transaction changed what this one read, or is changing what it writes. The same call may succeed at
    /// once; a transaction has to be run again from its beginning, with what it read loaded again.
    ///
    /// Only an [`IntakeTransaction`](super::IntakeTransaction) ends like this: every other operation is one
    /// transaction that the backend runs again by itself.
    #[error("the transaction conflicts with another one")]
    Conflict(#[source] Cause),
    /// A row holds a value that this program never wrote. The message names the row and never the value, which may
    /// be personal data. The same call fails until the row is repaired.
    #[error("a row of the store cannot be read{}: {column} {problem}", of(.row.as_ref()))]
    Corrupt {
        /// Which row, where that is known.
        row: Option<RowName>,
        /// The column.
        column: &'static str,
        /// What is wrong with its value.
        problem: &'static str,
    },
    /// The database refuses this operation, and would refuse it again. The store itself is well: other operations
    /// succeed.
    #[error("the store rejected the operation")]
    Rejected {
        /// Why.
        reason: Rejection,
        /// The database's error.
        #[source]
        source: Cause,
    },
}

/// Why the database refuses an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// A list was cancelled since its filter would have read more rows than one request may.
    TooBroad,
    /// Anything else: a constraint, a value that is too large, a damaged page of the file.
    Other,
}

/// Names a row so that an operator can find it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RowName {
    /// The table.
    pub table: &'static str,
    /// The values of its primary key, separated by slashes; bytes as hexadecimal digits.
    pub key: String,
}

fn of(row: Option<&RowName>) -> String {
    row.map(|RowName { table, key }| format!(" (table {table}, row {key})")).unwrap_or_default()
}

impl StorageError {
    /// Whether the same call may succeed later, so that it is worth repeating unchanged: splitting a batch, or
    /// leaving a part of it out, would not help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Conflict(_) => true,
            Self::Corrupt { .. } | Self::Rejected { .. } => false,
        }
    }

    /// Whether a row could not be read.
    pub fn is_corrupt(&self) -> bool {
        matches!(self, Self::Corrupt { .. })
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("the store {url} could not be opened{hint}")]
pub struct OpenError {
    /// The store's URL, without credentials.
    pub url: String,
    /// What an operator should check first, to be appended to a sentence; empty where nothing is known.
    pub hint: &'static str,
    /// The cause.
    #[source]
    pub source: Cause,
}
