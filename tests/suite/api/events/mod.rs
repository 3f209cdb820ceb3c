//! `POST /events`.

mod accepted;
mod acknowledged;
mod independent;
mod memory;
mod order;
mod rejected;
mod sensitive_metadata;
mod times;
mod wire_forms;
