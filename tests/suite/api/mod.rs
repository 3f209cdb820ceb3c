//! The HTTP API, a folder for each resource as in `src/http/api`; what holds for every route is beside them.

mod clients;
mod conventions;
mod deliveries;
mod events;
mod keys;
mod lists;
mod logs;
mod oauth;
mod openapi;
mod sessions;
mod shown_times;
