//! A limit on interim responses (RFC 9110 §15.2) before the final one.
//!
//! HTTP has no such limit, and a client must accept them. This one is for HTTP/1; over HTTP/2, where hyper does not
//! report them, the byte budget of the connection limits them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use hyper::Request;
use hyper::ext::on_informational;
use tokio::sync::Notify;

use super::byte_budget::ByteBudget;

/// How many may come before the final response. In practice there are one or two (100, 103).
pub(super) const MAX_INTERIM: usize = 16;

/// Counts the interim responses to one request.
#[derive(Clone, Default)]
pub(super) struct InterimResponses(Arc<Inner>);

#[derive(Default)]
struct Inner {
    count: AtomicUsize,
    /// The budget of the connection, once the request has one.
    budget: OnceLock<ByteBudget>,
    too_many: Notify,
}

impl InterimResponses {
    /// Counts the interim responses to this request.
    pub(super) fn count_of<B>(request: &mut Request<B>) -> Self {
        let responses = Self::default();
        let counting = responses.clone();
        on_informational(request, move |_| counting.count());
        responses
    }

    /// The request has a connection. Beyond the limit that is not read any further, also while the task that waits
    /// for the response is not scheduled.
    pub(super) fn on_connection(&self, budget: &ByteBudget) {
        let _ = self.0.budget.set(budget.clone());
        if self.are_too_many() {
            budget.revoke();
        }
    }

    pub(super) fn are_too_many(&self) -> bool {
        self.0.count.load(Ordering::SeqCst) > MAX_INTERIM
    }

    /// Returns when there are too many.
    pub(super) async fn too_many(&self) {
        self.0.too_many.notified().await;
    }

    fn count(&self) {
        if self.0.count.fetch_add(1, Ordering::SeqCst) < MAX_INTERIM {
            return;
        }
        if let Some(budget) = self.0.budget.get() {
            budget.revoke();
        }
        self.0.too_many.notify_one();
    }
}
