//! `/api/v2/deliveries` and `/api/v2/jobs`.

mod jobs;
mod redelivery;
