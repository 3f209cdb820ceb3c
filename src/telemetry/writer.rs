//! Writing log lines: untrusted text in a field or an error cannot add a line to the log, nor control the terminal that
//! shows it.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use crate::printable;

/// Writes events to standard error, escaped.
#[derive(Clone, Copy, Debug)]
pub(super) struct SafeStderr {
    /// Whether events are JSON; else they are human-readable lines.
    pub(super) json: bool,
}

impl<'w> MakeWriter<'w> for SafeStderr {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        *self
    }
}

impl Write for SafeStderr {
    /// Writes one event: tracing-subscriber passes each in a single call, with a line end.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        io::stderr().lock().write_all(safe(self.json, event).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn safe(json: bool, event: &[u8]) -> String {
    let text = String::from_utf8_lossy(event);
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let mut shown = if json { printable::json(line) } else { printable::line(line) }.into_owned();
    shown.push('\n');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        let human = "\u{1b}[2mnow\u{1b}[0m it failed error=a\nERROR forged\u{1b}[2J\u{202e}\n";
        let shown = "\u{1b}[2mnow\u{1b}[0m it failed error=a\\nERROR forged\\u{1b}[2J\\u{202e}\n";
        assert_eq!(safe(false, human.as_bytes()), shown);
        assert_eq!(safe(true, "{\"a\":\"\u{9b}\"}\n".as_bytes()), "{\"a\":\"\\u009b\"}\n");
    }
}
