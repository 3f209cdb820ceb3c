//! The store: its files, its upgrades, and what it keeps.

mod files;
mod retention;
mod unreadable_rows;
mod upgrades;
