//! Colours. `anstream` removes them if the output is not a terminal, or if `NO_COLOR` is set.

use anstyle::{AnsiColor, Style};

/// Success.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// Failure.
pub(super) const BAD: Style = AnsiColor::Red.on_default();
/// Pending.
pub(super) const WAITING: Style = AnsiColor::Yellow.on_default();
/// Secondary information.
pub(super) const DIM: Style = Style::new().dimmed();
/// A heading.
pub(super) const BOLD: Style = Style::new().bold();

/// Text in a style.
pub(super) fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// The style of a delivery's state.
pub(super) fn state_style(state: &str) -> Style {
    match state {
        "delivered" => GOOD,
        "pending" | "in_flight" => WAITING,
        _ => BAD,
    }
}
