//! x
pub mod app;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod domain;
pub mod egress;
pub mod entropy;
pub mod http;
pub mod intake;
pub mod keyring;
pub mod shutdown;
pub mod storage;
pub mod telemetry;
pub mod token;
