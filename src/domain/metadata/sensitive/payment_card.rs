//! Payment card numbers: 13 to 19 digits, ungrouped or in the usual groups, of a known network and with a valid check
//! digit.
//!
//! Digits that are part of something longer (an id, a decimal, a phone number with `+`) do not match.

/// The usual ways to group a number: 16 digits, 19, American Express, Diners Club, the old Visa, `UnionPay`.
const GROUPINGS: &[&[usize]] =
    &[&[4, 4, 4, 4], &[4, 4, 4, 4, 3], &[4, 6, 5], &[4, 6, 4], &[4, 4, 5], &[6, 13]];

/// The networks' ranges of issuer identification numbers (ISO/IEC 7812), by the first six digits, and the
/// lengths of their numbers.
const NETWORKS: &[(u32, u32, &[usize])] = &[
    // Mir
    (220_000, 220_499, &[16, 17, 18, 19]),
    // Mastercard
    (222_100, 272_099, &[16]),
    (510_000, 559_999, &[16]),
    // Diners Club
    (300_000, 305_999, &[14, 16]),
    (309_500, 309_599, &[14, 16]),
    (360_000, 369_999, &[14, 16]),
    (380_000, 399_999, &[14, 16]),
    // American Express
    (340_000, 349_999, &[15]),
    (370_000, 379_999, &[15]),
    // JCB
    (352_800, 358_999, &[16, 17, 18, 19]),
    // Visa
    (400_000, 499_999, &[13, 16, 19]),
    // Maestro
    (501_800, 501_899, &[13, 14, 15, 16, 17, 18, 19]),
    (502_000, 502_099, &[13, 14, 15, 16, 17, 18, 19]),
    (503_800, 503_899, &[13, 14, 15, 16, 17, 18, 19]),
    (589_300, 589_399, &[13, 14, 15, 16, 17, 18, 19]),
    (630_400, 630_499, &[13, 14, 15, 16, 17, 18, 19]),
    (675_900, 675_999, &[13, 14, 15, 16, 17, 18, 19]),
    (676_100, 676_399, &[13, 14, 15, 16, 17, 18, 19]),
    // Verve
    (506_099, 506_198, &[16, 18, 19]),
    // RuPay
    (508_500, 508_999, &[16]),
    (606_985, 608_500, &[16]),
    (817_200, 829_999, &[16]),
    // Discover
    (601_100, 601_199, &[16, 17, 18, 19]),
    (644_000, 659_999, &[16, 17, 18, 19]),
    // UnionPay
    (620_000, 629_999, &[16, 17, 18, 19]),
    (810_000, 817_199, &[16, 17, 18, 19]),
    // InterPayment
    (636_000, 636_999, &[16, 17, 18, 19]),
    // Troy
    (979_200, 979_289, &[16]),
];

pub(super) fn found_in(text: &str) -> bool {
    let groups = groups(text);
    groups.iter().enumerate().any(|(first, group)| {
        let bare = is_number(&text[group.start..group.end]) && stands_alone(text, group.start, group.end);
        bare || GROUPINGS.iter().any(|lengths| is_grouped(text, &groups[first..], lengths))
    })
}

/// The byte range of a run of digits.
#[derive(Clone, Copy, Debug)]
struct Group {
    start: usize,
    end: usize,
}

fn groups(text: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (at, _) in text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()) {
        match groups.last_mut() {
            Some(last) if last.end == at => last.end = at + 1,
            _ => groups.push(Group { start: at, end: at + 1 }),
        }
    }
    groups
}

/// Whether `groups` begin with a number that is written in groups of these lengths, with the same single
/// space or hyphen between all of them.
fn is_grouped(text: &str, groups: &[Group], lengths: &[usize]) -> bool {
    let Some(groups) = groups.get(..lengths.len()) else { return false };
    if !groups.iter().zip(lengths).all(|(group, length)| group.end - group.start == *length) {
        return false;
    }
    let separator = &text[groups[0].end..groups[1].start];
    let separated = [" ", "-"].contains(&separator)
        && groups.windows(2).all(|pair| text[pair[0].end..pair[1].start] == *separator);
    let (start, end) = (groups[0].start, groups[lengths.len() - 1].end);
    let digits = || text[start..end].split(separator).collect::<String>();
    separated && is_number(&digits()) && stands_alone(text, start, end)
}

/// Whether the text from `start` to `end` is not part of an id, a decimal or a phone number.
fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut before = text[..start].chars().rev();
    let begins = match before.next() {
        None => true,
        Some('-' | '+') => false,
        Some('.') => !before.next().is_some_and(|c| c.is_ascii_digit()),
        Some(c) => !word(c),
    };
    let mut after = text[end..].chars();
    begins
        && match after.next() {
            None => true,
            Some('-' | '.') => !after.next().is_some_and(word),
            Some(c) => !word(c),
        }
}

fn is_number(digits: &str) -> bool {
    if !(13..=19).contains(&digits.len()) {
        return false;
    }
    let issuer: u32 = digits[..6].parse().expect("six digits are a number");
    let issued = NETWORKS
        .iter()
        .any(|(low, high, lengths)| (*low..=*high).contains(&issuer) && lengths.contains(&digits.len()));
    let all_the_same = digits.bytes().all(|digit| digits.starts_with(char::from(digit)));
    issued && !all_the_same && luhn(digits)
}

/// ISO/IEC 7812-1, annex B: from the right, every second digit is doubled and its digits are added up.
pub(super) fn luhn(digits: &str) -> bool {
    let digit = |(place, byte): (usize, u8)| {
        let digit = u32::from(byte - b'0');
        let doubled = digit * 2;
        if place % 2 == 0 { digit } else { doubled / 10 + doubled % 10 }
    };
    digits.bytes().rev().enumerate().map(digit).sum::<u32>().is_multiple_of(10)
}
