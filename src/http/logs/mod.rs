//! `/api/v2/logs`: the audit trail, in the shape and with the paging of Auth0's Management API.

mod fields;
mod list;
mod q;
mod show;
mod view;

pub(super) use list::list;
pub(super) use show::show;
