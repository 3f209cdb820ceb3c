//! US social security numbers: `AAA-GG-SSSS`, and nine digits if the key's name says what they are.
//!
//! Nine digits alone are ambiguous. Numbers that are never issued (20 CFR 422: area 000, 666 and 900 to 999, group 00,
//! serial 0000) do not match.

pub(super) fn found_in(key: &str, text: &str) -> bool {
    is_formatted(text) || (is_named_by(key) && is_nine_digits(text))
}

fn is_formatted(text: &str) -> bool {
    const CHARS: usize = "AAA-GG-SSSS".len();
    (0..text.len()).filter_map(|at| Some((at, text.get(at..at + CHARS)?))).any(|(at, number)| {
        let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let alone = !text[..at].ends_with(part) && !text[at + CHARS..].starts_with(part);
        let shaped = number.bytes().enumerate().all(|(place, byte)| match place {
            3 | 6 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
        alone && shaped && is_issued(&number[..3], &number[4..6], &number[7..])
    })
}

fn is_nine_digits(text: &str) -> bool {
    let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    let nine = digits.len() == 9 && digits.bytes().all(|byte| byte.is_ascii_digit());
    nine && is_issued(&digits[..3], &digits[3..5], &digits[5..])
}

fn is_issued(area: &str, group: &str, serial: &str) -> bool {
    !matches!(area, "000" | "666") && !area.starts_with('9') && group != "00" && serial != "0000"
}

/// Whether a word of the key begins with `ssn` or `social`. Words end at `_`, `-` and before a capital letter, so that
/// `className` does not match.
fn is_named_by(key: &str) -> bool {
    let mut words = String::with_capacity(key.len() + 8);
    let mut small = false;
    for c in key.chars() {
        if matches!(c, '_' | '-') || (c.is_ascii_uppercase() && small) {
            words.push(' ');
        }
        small = c.is_ascii_lowercase() || c.is_ascii_digit();
        words.push(c.to_ascii_lowercase());
    }
    words.split([' ', '_', '-']).any(|word| word.starts_with("ssn") || word.starts_with("social"))
}
