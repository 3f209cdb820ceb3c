//! The planner's decisions, one by one.

mod commands;
mod events;
mod world;
