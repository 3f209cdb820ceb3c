//! The `logoutd` binary.

fn main() {}
