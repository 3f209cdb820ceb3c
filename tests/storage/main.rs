//! The storage suite: what every backend must do. `README.md` says how to add one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(unreachable_pub, reason = "the suite is one crate, nothing of it is exported")]

mod backends;
mod discarding;
mod queue;
mod round_trips;
mod samples;
mod transactions;

use std::future::Future;

use proptest::prelude::*;

use backends::TestStore;
use queue::{Step, step};

/// All tests of the suite, for one backend.
macro_rules! suite {
    ($backend:ident) => {
        mod $backend {
            use super::*;

            proptest! {
                #![proptest_config(ProptestConfig {
                    cases: 96, max_shrink_iters: 500, failure_persistence: None, ..ProptestConfig::default()
                })]

                #[test]
                fn the_queue_keeps_to_the_model(steps in prop::collection::vec(step(), 1..60)) {
                    with_runtime(check_steps(backends::$backend::empty(), &steps));
                }
            }

            suite! { $backend:
                discarding::pending_deliveries_of_an_unsubscribed_client_are_discarded_in_pieces,
                round_trips::a_client_is_read_as_it_was_stored,
                round_trips::a_session_is_read_as_it_was_stored,
                round_trips::an_event_is_answered_as_it_was,
                round_trips::an_end_and_its_parts_are_read_as_they_were_stored,
                round_trips::an_api_token_is_read_as_it_was_stored,
                round_trips::a_log_entry_is_read_as_it_was_stored,
                round_trips::a_redelivery_job_is_read_as_it_was_stored,
                transactions::a_transaction_without_a_commit_changes_nothing,
                transactions::concurrent_transactions_lose_no_update,
            }
        }
    };
    ($backend:ident: $($module:ident::$test:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                $module::$test(&*backends::$backend::empty().await).await;
            }
        )+
    };
}

suite!(sqlite);

fn with_runtime(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

async fn check_steps(empty: impl Future<Output = Box<dyn TestStore>>, steps: &[Step]) {
    queue::keeps_to_the_model(empty.await, steps).await;
}
