//! Interim responses (RFC 9110 §15.2): how many may come before the final one.
//!
//! HTTP sets no limit, and a client must take them. The one for HTTP/1 is here; over HTTP/2, where nobody is told of
//! them, the connection's allowance of bytes is the limit.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use hyper::Request;
use hyper::ext::on_informational;
use tokio::sync::Notify;

use super::allowance::Allowance;

/// How many come before the final response at the most. More than one or two (100, 103) is unheard of.
pub(super) const MAX_INTERIM: usize = 16;

/// Counts the interim responses to one request.
#[derive(Clone, Default)]
pub(super) struct Interim(Arc<Inner>);

#[derive(Default)]
struct Inner {
    count: AtomicUsize,
    /// That of the connection they come by, as soon as it is known.
    allowance: OnceLock<Allowance>,
    too_many: Notify,
}

impl Interim {
    /// Counts those to this request.
    pub(super) fn of<B>(request: &mut Request<B>) -> Self {
        let interim = Self::default();
        let counting = interim.clone();
        on_informational(request, move |_| counting.count());
        interim
    }

    /// The connection they come by is known: beyond the limit it is read no further, even if whoever waits for the
    /// response does not get a turn.
    pub(super) fn come_by(&self, allowance: &Allowance) {
        let _ = self.0.allowance.set(allowance.clone());
        if self.are_too_many() {
            allowance.withdraw();
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
        if let Some(allowance) = self.0.allowance.get() {
            allowance.withdraw();
        }
        self.0.too_many.notify_one();
    }
}
