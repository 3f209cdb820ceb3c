//! When certificates expire, and when to warn of it. Pure: the time is an argument.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// How long before its expiry a certificate is warned of: automatic renewal is a fortnight late by then.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// After how long a warning is repeated.
const REMIND: SignedDuration = SignedDuration::from_hours(24);

/// When the first of these certificates expires. Dates that cannot be parsed are left out: rustls decides what can be used.
pub(super) fn earliest(chain: &[CertificateDer<'_>]) -> Option<Timestamp> {
    chain.iter().filter_map(|certificate| not_after(certificate)).min()
}

fn not_after(der: &[u8]) -> Option<Timestamp> {
    let certificate = Certificate::from_der(der).ok()?;
    let until: Duration = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    // The year 9999 stands for "never" (RFC 5280 §4.1.2.5), and its end is past jiff's.
    Some(
        i64::try_from(until.as_secs())
            .ok()
            .and_then(|it| Timestamp::from_second(it).ok())
            .unwrap_or(Timestamp::MAX),
    )
}

/// The last warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Warned {
    /// The certificate's expiry.
    pub(super) expires: Timestamp,
    /// The time of the warning.
    pub(super) at: Timestamp,
}

/// Whether to warn now: of a certificate that expires soon, once it is loaded and then once a day.
pub(super) fn is_warning_due(expires: Timestamp, now: Timestamp, last: Option<Warned>) -> bool {
    if expires.duration_since(now) >= SOON {
        return false;
    }
    last.is_none_or(|last| last.expires != expires || now.duration_since(last.at) >= REMIND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::test_support::Authority;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_to_expire_counts() {
        let authority = Authority::new();
        let (early, late) = (authority.issue_until(2031, 2, 3), authority.issue_until(2040, 1, 1));
        let chain = [late.der(), early.der(), authority.der()];
        assert_eq!(earliest(&chain), Some(at("2031-02-03T00:00:00Z")));
        assert_eq!(earliest(&[CertificateDer::from(vec![1, 2, 3])]), None);
        assert_eq!(earliest(&[]), None);
    }

    #[test]
    fn a_certificate_is_warned_of_when_it_is_loaded_and_once_a_day() {
        let now = at("2026-01-01T00:00:00Z");
        let soon = at("2026-01-14T23:59:59Z");
        assert!(!is_warning_due(at("2026-01-15T00:00:00Z"), now, None));
        assert!(is_warning_due(soon, now, None));
        let warned = Some(Warned { expires: soon, at: now });
        assert!(!is_warning_due(soon, at("2026-01-01T23:59:59Z"), warned));
        assert!(is_warning_due(soon, at("2026-01-02T00:00:00Z"), warned));
        // Another one that expires soon; and one that has expired.
        assert!(is_warning_due(at("2026-01-10T00:00:00Z"), now, warned));
        assert!(is_warning_due(at("2025-01-01T00:00:00Z"), now, None));
    }
}
