//! The planner's decisions.

mod commands;
mod ends;
mod events;
mod reports;
mod world;
