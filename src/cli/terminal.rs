//! Where everything that commands print goes through, so that no text of others reaches the terminal as it is.
//!
//! The macros are named as those of the standard library, whose place they take in this module: a line is one line,
//! whatever is in it. The styles that commands write are kept (and taken out by `anstream` where the output is no
//! terminal, or `NO_COLOR` is set).

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

/// A line on standard output. To be called through `println!`.
pub(super) fn out_line(text: fmt::Arguments<'_>) {
    anstream::println!("{}", printable::line(&text.to_string()));
}

/// A line on standard error. To be called through `eprintln!`.
pub(super) fn err_line(text: fmt::Arguments<'_>) {
    anstream::eprintln!("{}", printable::line(&text.to_string()));
}

/// Lines on standard output, each with its end.
pub(super) fn out_block(text: &str) {
    anstream::print!("{}", printable::block(text));
}

/// Lines on standard error, each with its end.
pub(super) fn err_block(text: &str) {
    anstream::eprint!("{}", printable::block(text));
}

/// JSON on standard output, and a line end.
pub(super) fn out_json(text: &str) {
    anstream::println!("{}", printable::json(text));
}
