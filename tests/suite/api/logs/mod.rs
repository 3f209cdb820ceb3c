//! `/api/v2/logs`.

mod entries;
mod objects;
mod search;
