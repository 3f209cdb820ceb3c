//! Text of others made fit to be shown: nothing of it steers a terminal, hides, or turns the text around it about.
//!
//! Clients, sources, relying parties and tokens are other people's words, and so are files and URLs that somebody
//! names. Everything that a person reads of them goes through here. Invisible characters are shown as escapes
//! (`\u{202e}`), so that two names that look alike can be told apart.

use std::borrow::Cow;
use std::fmt::Write as _;

use url::Url;

/// What shows nothing, or changes how the text around it is shown: the bidirectional controls, the zero-width and
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

/// The styles that the program itself writes, and no others: a style that hides text is a foreign one.
const STYLES: [&str; 13] = ["0", "1", "2", "3", "4", "31", "32", "33", "34", "35", "36", "37", "90"];

/// Whether a character is to be shown as an escape: the controls C0, DEL and C1, and what is hidden.
pub fn is_hidden(c: char) -> bool {
    c.is_control() || HIDDEN.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

/// A text of others, on one line.
pub fn text(text: &str) -> Cow<'_, str> {
    escaped(text, |_| 0, human)
}

/// A line of the program's own that may have text of others in it: the styles in it are kept.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, style, human)
}

/// Lines of the program's own that may have text of others in them: styles, line ends and tabs are kept.
pub fn block(text: &str) -> Cow<'_, str> {
    escaped(text, |rest| if rest.starts_with(['\n', '\t']) { 1 } else { style(rest) }, human)
}

/// A JSON text: the same value, with nothing in its strings that hides or steers. What is escaped can only be in
/// strings, but for the line ends and the indentation between them.
pub fn json(text: &str) -> Cow<'_, str> {
    escaped(text, |rest| usize::from(rest.starts_with('\n')), utf16)
}

/// A URL without the user and the password in it; of what is no URL, only what comes after them.
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

/// Escapes what is hidden, but for as many bytes as `keep` says at its place.
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

/// How long the style is that a text begins with: `ESC [ number m`, one of [`STYLES`].
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
    fn what_others_wrote_is_shown_and_does_nothing() {
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
    fn styles_are_kept_where_they_are_the_programs_own() {
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
    fn a_url_is_shown_without_who_and_their_password() {
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
