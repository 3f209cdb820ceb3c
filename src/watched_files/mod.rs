//! Files that are read again when they change: signing keys, and certificates of the listeners.
//!
//! What they look like ([`Fingerprint`]), when a change is due to be loaded ([`Changes`]), looking at them at intervals
//! ([`poll()`]), and who else can use them ([`PermissionCheck`]). What is in the files is not known here. Unix only.

mod changes;
mod fingerprint;
mod permissions;
mod poll;

pub use self::changes::Changes;
pub use self::fingerprint::Fingerprint;
pub use self::permissions::{
    ExposedMode, Exposure, PermissionCheck, PermissionVerdict, exposed_private_mode,
};
pub use self::poll::{POLL_INTERVAL, poll};
