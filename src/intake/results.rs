//! What events and commands resulted in.

use std::collections::BTreeSet;

use tokio::sync::OwnedSemaphorePermit;

use super::AcceptError;
use crate::domain::delivery::DeliverySummary;
use crate::domain::ids::{ClientId, Sid};
use crate::domain::receipt::Receipt;
use crate::domain::session::{EndNumber, Session};
use crate::storage::AnswerKey;

/// The result of an accepted event.
#[derive(Debug)]
pub struct Accepted {
    /// The answer to the source.
    pub receipt: Receipt,
    /// Whether it had been accepted before.
    pub duplicate: bool,
    /// Whether every session that it is about has ended; otherwise more sessions and deliveries follow.
    pub is_complete: bool,
    /// Limits how many large answers are in memory: to be kept for as long as the receipts of the batch.
    pub permit: Option<OwnedSemaphorePermit>,
}

/// The results of an [all-or-nothing](super::BatchMode::AllOrNothing) batch, or the error of the event at fault with its
/// index.
pub fn all_accepted(
    results: Vec<Result<Accepted, AcceptError>>,
) -> Result<Vec<Accepted>, (usize, AcceptError)> {
    let is_fault =
        |result: &Result<_, _>| matches!(result, Err(error) if *error != AcceptError::BatchRefused);
    let fault = results.iter().position(is_fault);
    let relevant = |(index, _): &(usize, _)| fault.is_none_or(|fault| *index == fault);
    let each = results.into_iter().enumerate().filter(relevant);
    each.map(|(index, result)| result.map_err(|error| (index, error))).collect()
}

/// The result of an event when its request was stored.
pub(super) type EventResult = Result<Stored, AcceptError>;

/// The same error for each of `events` events.
pub(super) fn all_failed(events: usize, error: &AcceptError) -> Vec<EventResult> {
    (0..events).map(|_| Err(error.clone())).collect()
}

/// Whether an event was accepted for the first time.
pub(super) fn is_new(result: &EventResult) -> bool {
    result.as_ref().is_ok_and(|stored| !stored.duplicate)
}

/// An accepted event, as its transaction left it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) receipt: StoredReceipt,
    /// Whether it had been accepted before.
    pub(super) duplicate: bool,
    /// The subject end whose later batches belong to the answer.
    pub(super) unfinished_end: Option<EndNumber>,
}

/// The answer to an event, or where the store has it.
#[derive(Debug)]
pub(super) enum StoredReceipt {
    Loaded(Receipt),
    InStore(AnswerKey),
}

/// The result of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandOutcome {
    /// The sessions that it is about.
    pub sessions: Vec<Sid>,
    /// The session whose metadata was replaced, as it is now.
    pub changed: Option<Box<Session>>,
    /// The deliveries of these sessions: new ones, and those of earlier events.
    pub deliveries: Vec<DeliverySummary>,
    /// Clients that get no delivery, because their tokens need an identifier that is not known.
    pub unreachable: BTreeSet<ClientId>,
    /// The subject end whose later batches belong to the answer.
    pub(super) unfinished_end: Option<EndNumber>,
    /// Whether every session that it is about has ended; otherwise more sessions and deliveries follow.
    pub is_complete: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(id: &str) -> Accepted {
        Accepted { receipt: Receipt::new(id.to_owned()), duplicate: false, is_complete: true, permit: None }
    }

    #[test]
    fn a_batch_is_all_its_results_or_the_error_at_fault() {
        let ids = |results| {
            all_accepted(results).map(|all| all.into_iter().map(|it| it.receipt.id).collect::<Vec<_>>())
        };
        assert_eq!(ids(vec![]), Ok(vec![]));
        assert_eq!(ids(vec![Ok(accepted("a")), Ok(accepted("b"))]), Ok(vec!["a".to_owned(), "b".to_owned()]));
        let refused = || Err(AcceptError::BatchRefused);
        assert_eq!(ids(vec![refused(), Err(AcceptError::IdReused)]), Err((1, AcceptError::IdReused)));
        assert_eq!(ids(vec![Ok(accepted("a")), Err(AcceptError::Busy)]), Err((1, AcceptError::Busy)));
        assert_eq!(ids(vec![refused()]), Err((0, AcceptError::BatchRefused)));
    }
}
