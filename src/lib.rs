//! logoutd: a durable back-channel logout token issuer that runs beside any OpenID Provider.

pub mod clock;
pub mod domain;
pub mod entropy;
pub mod intake;
pub mod storage;
pub mod token;
