//! Untrusted text made safe to display: it cannot control a terminal, hide, or reorder the text around it.
//!
//! Names and answers of clients, sources, relying parties and tokens are untrusted, and so are paths and URLs in the
//! configuration. All of it goes through here before it is displayed. Invisible characters become escapes (`\u{202e}`), so
//! that two names that look alike can be distinguished.

use std::borrow::Cow;
use std::fmt::Write as _;

use url::Url;

/// Characters that are invisible, or change how the text around them is displayed: the bidirectional controls, the zero-width and
/// other default-ignorable characters (UAX #44), the line and paragraph separators, interlinear annotations, tags.
/// Variation selectors are left out: they are part of ordinary emoji.
const HIDDEN: [(char, char); 17] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e00ff}'),
    ('\u{e01f0}', '\u{e0fff}'),
];

/// The SGR codes that this program writes. Others are escaped: some hide text.
const STYLES: [&str; 13] = ["0", "1", "2", "3", "4", "31", "32", "33", "34", "35", "36", "37", "90"];

/// Whether a character is displayed as an escape: the controls C0, DEL and C1, and invisible ones.
pub fn is_hidden(c: char) -> bool {
    c.is_control() || HIDDEN.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

/// Untrusted text, on one line.
pub fn text(text: &str) -> Cow<'_, str> {
    escaped(text, |_| 0, human)
}

/// A line of this program that may contain untrusted text: its styles are kept.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, style, human)
}

/// Lines of this program that may contain untrusted text: styles, line ends and tabs are kept.
pub fn block(text: &str) -> Cow<'_, str> {
    escaped(text, |rest| if rest.starts_with(['\n', '\t']) { 1 } else { style(rest) }, human)
}

/// A JSON text: the same value, with hidden characters in its strings escaped. Outside of strings JSON has only line ends and
/// indentation.
pub fn json(text: &str) -> Cow<'_, str> {
    escaped(text, |rest| usize::from(rest.starts_with('\n')), utf16)
}

/// A URL without its user and password; of a text that is not a URL, only what comes after them.
pub fn url(given: &str) -> Cow<'_, str> {
    if !given.contains('@') {
        return text(given);
    }
    match Url::parse(given) {
        Ok(url) if url.has_host() && url.username().is_empty() && url.password().is_none() => text(given),
        Ok(url) if url.has_host() => match without_credentials(url) {
            Some(url) => text(url.as_str()).into_owned().into(),
            None => text(after_credentials(given)),
        },
        Ok(_) | Err(_) => text(after_credentials(given)),
    }
}

fn without_credentials(mut url: Url) -> Option<Url> {
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some(url)
}

fn after_credentials(given: &str) -> &str {
    given.rsplit('@').next().unwrap_or_default()
}

/// Escapes hidden characters, except where `keep` returns a number of bytes to keep at that position.
fn escaped(text: &str, keep: impl Fn(&str) -> usize, escape: fn(&mut String, char)) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let kept = if is_hidden(c) { keep(rest) } else { c.len_utf8() };
        if kept == 0 {
            escape(&mut shown, c);
            rest = &rest[c.len_utf8()..];
        } else {
            shown.push_str(&rest[..kept]);
            rest = &rest[kept..];
        }
    }
    shown.into()
}

fn human(shown: &mut String, c: char) {
    shown.extend(c.escape_default());
}

fn utf16(shown: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        // Writing to a String cannot fail.
        let _ = write!(shown, "\\u{unit:04x}");
    }
}

/// The length of the style that a text begins with, 0 if none: `ESC [ number m`, one of [`STYLES`].
fn style(text: &str) -> usize {
    let Some((number, _)) = text.strip_prefix("\u{1b}[").and_then(|rest| rest.split_once('m')) else {
        return 0;
    };
    if STYLES.contains(&number) { "\u{1b}[".len() + number.len() + "m".len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn untrusted_text_is_displayed_and_does_nothing() {
        for (given, shown) in [
            ("Zoë, Łódź, 東京, עברית, 👩‍💻", "Zoë, Łódź, 東京, עברית, 👩\\u{200d}💻"),
            ("a\u{1b}[2Jb\u{9b}c\n\r\t\u{7f}", "a\\u{1b}[2Jb\\u{9b}c\\n\\r\\t\\u{7f}"),
            ("\u{1b}[32mgreen", "\\u{1b}[32mgreen"),
            ("\u{202e}gpj.exe\u{2066}\u{61c}", "\\u{202e}gpj.exe\\u{2066}\\u{61c}"),
            ("pay\u{200b}pal\u{feff}\u{2028}\u{e0041}", "pay\\u{200b}pal\\u{feff}\\u{2028}\\u{e0041}"),
            ("❤\u{fe0f}", "❤\u{fe0f}"),
        ] {
            assert_eq!(text(given), shown);
        }
    }

    #[test]
    fn styles_of_this_program_are_kept() {
        let styled = "\u{1b}[1m\u{1b}[31merror:\u{1b}[0m";
        assert_eq!(line(styled), styled);
        assert_eq!(line("a\nb"), "a\\nb");
        assert_eq!(block("a\tb\nc"), "a\tb\nc");
        for foreign in
            ["\u{1b}[8m", "\u{1b}[2J", "\u{1b}]0;x\u{7}", "\u{1b}[", "\u{1b}[1;8m", "\u{1b}[m", "\u{1b}c"]
        {
            assert!(!block(foreign).contains('\u{1b}'), "{foreign:?}");
        }
    }

    #[test]
    fn a_url_is_displayed_without_user_and_password() {
        for (given, shown) in [
            ("https://op.example.com/a@b", "https://op.example.com/a@b"),
            ("http://user:hunter2@host:81/x?y", "http://host:81/x?y"),
            ("http:\\\\user:hunter2@host", "http://host/"),
            ("http://user:hun/ter2@host", "host"),
            ("user:hunter2@host", "host"),
            ("postgres://user:hunter2@host/db", "postgres://host/db"),
            ("http://user:hunter2@ho st/", "ho st/"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
        ] {
            assert_eq!(url(given), shown, "{given}");
        }
    }

    proptest! {
        #[test]
        fn json_stays_the_same_value(given in "\\PC*[\u{0}-\u{2fff}\u{e0000}-\u{e0fff}]{0,20}\\PC*") {
            let value = serde_json::json!({"key": [given.clone()], given: 1});
            for text in [value.to_string(), format!("{value:#}")] {
                let shown = json(&text);
                prop_assert!(!shown.contains(|c| is_hidden(c) && c != '\n'));
                prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(&shown).unwrap(), &value);
            }
        }

        #[test]
        fn nothing_hidden_is_left(given in "[\u{0}-\u{10ffff}]{0,40}") {
            prop_assert!(!text(&given).contains(is_hidden));
        }
    }
}
