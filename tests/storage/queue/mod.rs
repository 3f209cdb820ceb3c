//! The delivery queue against a model of it in memory: random operations, after each of which all that can be seen of
//! the queue must be the same in both.

mod machine;
mod model;
mod operators;
mod steps;
mod workers;

use crate::backends::TestStore;
use machine::Machine;

pub use steps::{Step, step};

/// Takes the steps in a store and in the model, and compares them after each.
pub async fn keeps_to_the_model(store: Box<dyn TestStore>, steps: &[Step]) {
    let mut machine = Machine::start(store).await;
    for step in steps {
        machine.take(step).await;
        machine.compare(step).await;
    }
    machine.settle_everything().await;
}
