//! Why an event or a command has no effect.

use super::metadata_guard::SensitiveMetadata;
use super::planning::MAX_BATCH_CLIENTS;
use crate::domain::plan::{CommandRefusal, Refusal};
use crate::storage::StorageError;

/// Why an event was not accepted. Nothing of it was stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// It cannot be applied.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Its metadata looks sensitive.
    #[error(transparent)]
    Sensitive(#[from] SensitiveMetadata),
    /// Its `source` and `id` belong to an event with other data. Dropping it as a repetition could leave a user logged
    /// in.
    #[error("the same source and id belong to an event with other data")]
    IdReused,
    /// Another event of its [all-or-nothing](super::BatchMode::AllOrNothing) batch was refused.
    #[error("another event of the same batch was refused")]
    BatchRefused,
    /// Its [all-or-nothing](super::BatchMode::AllOrNothing) batch is about more clients than one transaction may have.
    #[error(
        "a batch can be about at most {MAX_BATCH_CLIENTS} clients, counting those it names and those of its sessions; \
         split it"
    )]
    BatchTooLarge,
    /// The queue, or the memory for events, is full.
    #[error("too many events are waiting to be stored")]
    Busy,
    /// The store failed; the log says why. Nothing was stored, or the same event reported again gets its answer.
    #[error("the store is not available")]
    Unavailable,
    /// A row that it needs cannot be read; the log names the row.
    #[error("a stored row of this cannot be read")]
    Unreadable,
}

impl AcceptError {
    pub(super) fn of_store(error: &StorageError) -> Self {
        if error.is_corrupt() { Self::Unreadable } else { Self::Unavailable }
    }
}

/// Why a command was not executed. Nothing of it was stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// It cannot be applied.
    #[error(transparent)]
    Refused(#[from] CommandRefusal),
    /// Its metadata looks sensitive.
    #[error(transparent)]
    Sensitive(#[from] SensitiveMetadata),
    /// The queue is full.
    #[error("too many requests are waiting to be stored")]
    Busy,
    /// The store failed; the log says why.
    #[error("the store is not available")]
    Unavailable,
    /// A row that it needs cannot be read; the log names the row.
    #[error("a stored row of this cannot be read")]
    Unreadable,
}

impl CommandError {
    pub(super) fn of_store(error: &StorageError) -> Self {
        if error.is_corrupt() { Self::Unreadable } else { Self::Unavailable }
    }
}
