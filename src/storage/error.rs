//! Why an operation on the store failed.

/// Why an operation on the store failed. None of these is the caller's fault, and nothing was changed:
/// the same call may succeed later.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The database could not be opened.
    #[error("the store {url} could not be opened")]
    Open {
        /// Which, without credentials.
        url: String,
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
