//! The service as a process: its listeners, its logs, its end.

mod confidential;
mod connections;
mod lifecycle;
mod tls;
