//! Health and metrics, for whoever runs the service.

pub(crate) mod health;
pub(crate) mod metrics;
