//! The planner's decisions, one by one.

mod commands;
mod ends;
mod events;
mod reports;
mod world;
