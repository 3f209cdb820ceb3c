//! What is leased and waits in memory for a slot of its client's.

use std::collections::VecDeque;

use crate::delivery::scheduler::allocator::{RETRIES_EVERY, SlotKind};
use crate::storage::LeasedDelivery;

/// Those that sit for one client.
#[derive(Debug, Default)]
pub(super) struct Bench {
    pub(super) first_attempts: VecDeque<LeasedDelivery>,
    pub(super) retries: VecDeque<LeasedDelivery>,
    left: u32,
}

impl Bench {
    pub(super) fn sit(&mut self, delivery: LeasedDelivery) {
        if delivery.is_first_attempt() {
            self.first_attempts.push_back(delivery);
        } else {
            self.retries.push_back(delivery);
        }
    }

    /// The next one that may have a slot of this kind.
    pub(super) fn next(&mut self, kind: SlotKind) -> Option<LeasedDelivery> {
        if kind == SlotKind::Reserved {
            return self.first_attempts.pop_front();
        }
        self.left = self.left.wrapping_add(1);
        if self.left.is_multiple_of(RETRIES_EVERY) || self.first_attempts.is_empty() {
            return self.retries.pop_front().or_else(|| self.first_attempts.pop_front());
        }
        self.first_attempts.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first_attempts.is_empty() && self.retries.is_empty()
    }
}
