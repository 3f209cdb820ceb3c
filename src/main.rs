//! The `logoutd` binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    logoutd::cli::main(std::env::args_os())
}
