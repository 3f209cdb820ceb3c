//! All output of the commands, with control characters of foreign text escaped.
//!
//! The macros replace those of the standard library with the same names. Each call prints exactly one line. Styles are
//! kept; `anstream` removes them if the output is not a terminal, or if `NO_COLOR` is set.

use std::fmt;

use crate::printable;

macro_rules! line_out {
    () => { $crate::cli::terminal::out_line(format_args!("")) };
    ($($argument:tt)*) => { $crate::cli::terminal::out_line(format_args!($($argument)*)) };
}
macro_rules! line_err {
    ($($argument:tt)*) => { $crate::cli::terminal::err_line(format_args!($($argument)*)) };
}
pub(super) use line_err as eprintln;
pub(super) use line_out as println;

/// Prints a line to standard output. Called through `println!`.
pub(super) fn out_line(text: fmt::Arguments<'_>) {
    anstream::println!("{}", printable::line(&text.to_string()));
}

/// Prints a line to standard error. Called through `eprintln!`.
pub(super) fn err_line(text: fmt::Arguments<'_>) {
    anstream::eprintln!("{}", printable::line(&text.to_string()));
}

/// Prints lines, each with its line end, to standard output.
pub(super) fn out_block(text: &str) {
    anstream::print!("{}", printable::block(text));
}

/// Prints lines, each with its line end, to standard error.
pub(super) fn err_block(text: &str) {
    anstream::eprint!("{}", printable::block(text));
}

/// Prints JSON and a line end to standard output.
pub(super) fn out_json(text: &str) {
    anstream::println!("{}", printable::json(text));
}
