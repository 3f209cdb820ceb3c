//! The resources: a folder for each, a file for each handler.

pub(super) mod breakers;
pub(super) mod clients;
pub(super) mod deliveries;
pub(super) mod discovery;
pub(super) mod events;
pub(super) mod keys;
pub(super) mod logs;
pub(super) mod oauth;
pub(super) mod service;
pub(super) mod sessions;
