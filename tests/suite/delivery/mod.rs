//! Deliveries: what relying parties receive, and what comes of what they answer.

mod answers;
mod outcomes;
mod queue;
mod subjects;
mod tokens;
