//! `POST /events`.

mod accepted;
mod acknowledged;
mod memory;
mod order;
mod rejected;
mod sensitive_metadata;
mod times;
mod wire_forms;
