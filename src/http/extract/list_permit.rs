//! A bound on the lists that one caller reads at a time, so that none keeps every connection to the store for itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::Grant;
use crate::domain::access::Caller;
use crate::http::error::ApiError;
use crate::storage::LISTS_AT_A_TIME;

/// How many lists one caller reads at a time: one connection is left for others.
const LISTS_OF_A_CALLER: usize = LISTS_AT_A_TIME as usize - 1;

/// A semaphore for each caller that is reading lists, or waits to.
#[derive(Clone, Debug, Default)]
pub struct ListPermits(Arc<Mutex<HashMap<Caller, Arc<Semaphore>>>>);

impl ListPermits {
    async fn acquire(&self, caller: &Caller) -> OwnedSemaphorePermit {
        let permits = self.of(caller);
        permits.acquire_owned().await.expect("it is never closed")
    }

    fn of(&self, caller: &Caller) -> Arc<Semaphore> {
        let mut callers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Requests that read or wait hold a clone; the others are forgotten.
        callers.retain(|_, permits| Arc::strong_count(permits) > 1);
        let permits = callers.entry(caller.clone());
        Arc::clone(permits.or_insert_with(|| Arc::new(Semaphore::new(LISTS_OF_A_CALLER))))
    }
}

/// For handlers that read lists: waits for one of the caller's permits, and holds it until this is dropped.
#[derive(Debug)]
pub(crate) struct ListPermit(
    #[expect(dead_code, reason = "it is held, and given back on drop")] OwnedSemaphorePermit,
);

impl<S> FromRequestParts<S> for ListPermit
where
    ListPermits: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let grant = parts.extensions.get::<Grant>().expect("routes of lists require a scope");
        Ok(Self(ListPermits::from_ref(state).acquire(&grant.caller).await))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_caller_waits_for_its_own_lists_only_and_is_forgotten() {
        let permits = ListPermits::default();
        let another = Caller::Jwt { subject: None, client: None };
        let mut taken = Vec::new();
        for _ in 0..LISTS_OF_A_CALLER {
            taken.push(permits.acquire(&Caller::Bootstrap).now_or_never().unwrap());
        }
        let mut waiting = pin!(permits.acquire(&Caller::Bootstrap));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(permits.acquire(&another).now_or_never().unwrap());
        taken.pop();
        drop(waiting.now_or_never().unwrap());

        drop(taken);
        let _last = permits.acquire(&another).now_or_never().unwrap();
        assert_eq!(permits.0.lock().unwrap().len(), 1);
    }
}
