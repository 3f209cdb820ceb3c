//! Colours of the terminal. `anstream` takes them out where the output is no terminal, or `NO_COLOR` is
//! set.

use anstyle::{AnsiColor, Style};

/// It went well.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// It went wrong.
pub(super) const BAD: Style = AnsiColor::Red.on_default();
/// It is not decided yet.
pub(super) const WAITING: Style = AnsiColor::Yellow.on_default();
/// Beside the point.
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
