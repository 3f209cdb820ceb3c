//! Random operations on the queue.

use proptest::prelude::*;

/// An operation. Numbers are taken modulo the number of what they choose from.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sessions end: new deliveries, each leased already or not.
    Accept(Vec<(usize, bool)>),
    /// A worker leases: for each client, how many of any kind, how many more first attempts, and whether
    /// retries come first.
    Lease(Vec<(usize, u32, u32, bool)>),
    /// Outcomes come in, of leases that hold or were lost.
    Settle(Vec<(usize, Outcome)>),
    /// A worker extends some of its leases.
    Extend(Vec<usize>),
    /// A worker gives some of its leases back.
    Release(Vec<usize>),
    /// Time passes, in milliseconds.
    Pass(u32),
    /// Expired leases are taken back.
    Reclaim,
    /// Deliveries that have reached their maximum age are ended.
    Expire,
    /// The process dies, and another one opens the store.
    Crash,
    /// An operator changes a client: registered, subscribed, enabled.
    Configure(usize, bool, bool, bool),
    /// An operator redelivers.
    Redeliver(usize),
    /// An operator redelivers all dead letters of a client.
    RedeliverAll(usize),
    /// The clock was set back, in milliseconds.
    SetBack(u32),
}

/// The outcome of an attempt.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    Delivered,
    Rejected,
    Exhausted,
    Gone,
    /// To be retried after so many milliseconds; whether the RP may have received it.
    Retry(u32, bool),
}

pub fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        3 => Just(Outcome::Delivered),
        1 => Just(Outcome::Rejected),
        1 => Just(Outcome::Exhausted),
        1 => Just(Outcome::Gone),
        4 => (0..5_000_u32, any::<bool>()).prop_map(|(after, unknown)| Outcome::Retry(after, unknown)),
    ];
    let some = || prop::collection::vec(any::<usize>(), 1..4);
    prop_oneof![
        6 => prop::collection::vec((any::<usize>(), any::<bool>()), 1..5).prop_map(Step::Accept),
        6 => prop::collection::vec((any::<usize>(), 0..4_u32, 0..3_u32, any::<bool>()), 1..4).prop_map(Step::Lease),
        6 => prop::collection::vec((any::<usize>(), outcome), 1..5).prop_map(Step::Settle),
        2 => some().prop_map(Step::Extend),
        1 => some().prop_map(Step::Release),
        4 => (1..8_000_u32).prop_map(Step::Pass),
        2 => Just(Step::Reclaim),
        1 => Just(Step::Expire),
        1 => Just(Step::Crash),
        1 => (any::<usize>(), any::<bool>(), any::<bool>(), any::<bool>())
            .prop_map(|(client, registered, subscribed, enabled)| {
                Step::Configure(client, registered, subscribed, enabled)
            }),
        2 => any::<usize>().prop_map(Step::Redeliver),
        1 => any::<usize>().prop_map(Step::RedeliverAll),
        1 => (1_000..100_000_u32).prop_map(Step::SetBack),
    ]
}
