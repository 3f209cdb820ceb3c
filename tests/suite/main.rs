//! The tests that go in by the front door: a real service, real sockets, a real database.

#![expect(unreachable_pub, reason = "the suite is one crate, nothing of it is exported")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests are outside: they have the real time and randomness"
)]

mod access;
mod acknowledged;
mod answers;
mod audit_objects;
mod auth0_clients;
mod bad_input;
mod bulk;
mod clients;
mod clients_from_the_shell;
mod command_line;
mod confidential;
mod config;
mod connections;
mod dead_letters;
mod delivery;
mod docs;
mod engine;
mod event_order;
mod events;
mod help;
mod intake_memory;
mod keys_folder;
mod layering;
mod lists;
mod log_search;
mod logs;
mod named_files;
mod oauth_token;
mod openapi;
mod process;
mod proxies;
mod receivers;
mod redelivery_jobs;
mod retention;
mod revoke_access;
mod sensitive_metadata;
mod session_details;
mod sessions;
mod sessions_from_the_shell;
mod shown_times;
mod signing_keys;
mod store_files;
mod subjects;
mod support;
mod terminal;
mod times;
mod tls;
mod tokens;
mod uniform_requests;
mod unreadable_rows;
mod upgrades;
mod uris;
mod wire_forms;
