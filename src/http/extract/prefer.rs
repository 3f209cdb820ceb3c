//! The header `Prefer: wait=N` (RFC 7240): how long a source is willing to wait for the outcome.

use std::time::Duration;

use axum::http::HeaderMap;

/// The longest wait. A longer one is shortened, and the answer says so.
pub(crate) const MAX_WAIT: Duration = Duration::from_mins(1);

/// The wait, if there is one. As RFC 7240 §2 requires, preferences that are not understood are ignored, and the first of
/// several counts.
pub(crate) fn wait(headers: &HeaderMap) -> Option<Duration> {
    let preferences = headers.get_all("prefer");
    let seconds = preferences
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|preference| {
            let (name, value) = preference.split(';').next()?.split_once('=')?;
            let value = value.trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("wait").then_some(value)?.parse::<u64>().ok()
        })?;
    (seconds > 0).then_some(Duration::from_secs(seconds).min(MAX_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wish_is_found_among_others() {
        for (values, expected) in [
            (vec![], None),
            (vec!["wait=10"], Some(10)),
            (vec!["respond-async, Wait=5"], Some(5)),
            (vec!["respond-async", "wait = \"7\" ; foo=bar"], Some(7)),
            (vec!["wait=3, wait=9"], Some(3)),
            (vec!["wait=0"], None),
            (vec!["wait=soon"], None),
            (vec!["wait"], None),
            (vec!["wait=86400"], Some(60)),
        ] {
            let mut headers = HeaderMap::new();
            for value in &values {
                headers.append("prefer", value.parse().unwrap());
            }
            assert_eq!(wait(&headers), expected.map(Duration::from_secs), "{values:?}");
        }
    }
}
