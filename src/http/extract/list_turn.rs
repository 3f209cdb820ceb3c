//! Who reads a list: callers take turns at the few connections that lists are read by, so that whoever asks for many
//! at a time waits for their own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::Grant;
use crate::domain::access::Caller;
use crate::http::error::ApiError;
use crate::http::state::HttpState;
use crate::storage::LISTS_AT_A_TIME;

/// How many lists one caller reads at a time: one connection is left for others.
const LISTS_OF_ONE_CALLER: usize = LISTS_AT_A_TIME as usize - 1;

/// The callers that are reading lists, or wait to.
#[derive(Debug, Default)]
pub struct ListTurns(Mutex<HashMap<Caller, Arc<Semaphore>>>);

impl ListTurns {
    async fn take(&self, caller: &Caller) -> OwnedSemaphorePermit {
        let of_caller = self.of(caller);
        of_caller.acquire_owned().await.expect("it is never closed")
    }

    fn of(&self, caller: &Caller) -> Arc<Semaphore> {
        let mut callers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever reads or waits holds it too.
        callers.retain(|_, turns| Arc::strong_count(turns) > 1);
        let turns = callers.entry(caller.clone());
        Arc::clone(turns.or_insert_with(|| Arc::new(Semaphore::new(LISTS_OF_ONE_CALLER))))
    }
}

/// For handlers that read lists: the caller's turn, which lasts until this is dropped.
#[derive(Debug)]
pub(crate) struct ListTurn(#[expect(dead_code, reason = "it is held")] OwnedSemaphorePermit);

impl FromRequestParts<Arc<HttpState>> for ListTurn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<HttpState>) -> Result<Self, ApiError> {
        let grant = parts.extensions.get::<Grant>().expect("every list asks for a token");
        Ok(Self(state.list_turns.take(&grant.caller).await))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_caller_waits_for_its_own_lists_only_and_is_forgotten() {
        let turns = ListTurns::default();
        let another = Caller::Jwt { subject: None, client: None };
        let mut taken = Vec::new();
        for _ in 0..LISTS_OF_ONE_CALLER {
            taken.push(turns.take(&Caller::Bootstrap).now_or_never().unwrap());
        }
        let mut waiting = pin!(turns.take(&Caller::Bootstrap));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(turns.take(&another).now_or_never().unwrap());
        taken.pop();
        drop(waiting.now_or_never().unwrap());

        drop(taken);
        let _last = turns.take(&another).now_or_never().unwrap();
        assert_eq!(turns.0.lock().unwrap().len(), 1);
    }
}
