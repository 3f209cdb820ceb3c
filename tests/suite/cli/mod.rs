//! The commands, run as a person runs them.

mod clients;
mod help;
mod proxies;
mod receivers;
mod sessions;
mod terminal;
mod usage;
