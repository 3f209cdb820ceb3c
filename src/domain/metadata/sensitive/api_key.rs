//! API keys and tokens, by their providers' formats.
//!
//! A whole word must match prefix, alphabet and length, so that `org_abc123` or `npm_install` do not match.

use super::words;

/// The characters allowed after the prefix.
#[derive(Clone, Copy, Debug)]
enum Alphabet {
    /// `A` to `Z` and `2` to `7`: base32.
    Base32,
    /// `0` to `9` and `a` to `f`.
    Hex,
    /// ASCII letters and digits.
    Alphanumeric,
    /// Base64url: alphanumeric, `_` and `-`.
    Word,
    /// Base64url and `.`.
    Dotted,
}

impl Alphabet {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Base32 => byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte),
            Self::Hex => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            Self::Alphanumeric => byte.is_ascii_alphanumeric(),
            Self::Word => Self::Alphanumeric.has(byte) || matches!(byte, b'_' | b'-'),
            Self::Dotted => Self::Word.has(byte) || byte == b'.',
        }
    }

    /// Whether natural-language words fit this alphabet; if so, a key must contain a digit to match.
    const fn may_be_prose(self) -> bool {
        matches!(self, Self::Alphanumeric | Self::Word | Self::Dotted)
    }
}

/// A key format: its prefix, then the alphabet, minimum and maximum length of the rest.
struct Form(&'static str, Alphabet, usize, usize);

/// No maximum length: the provider reserves the right to make keys longer.
const ANY: usize = usize::MAX;

#[rustfmt::skip]
const FORMS: &[Form] = &[
    // logoutd
    Form("logoutd_", Alphabet::Word, 32, ANY),
    // AWS
    Form("AKIA", Alphabet::Base32, 16, 16),
    Form("ASIA", Alphabet::Base32, 16, 16),
    Form("ABIA", Alphabet::Base32, 16, 16),
    Form("ACCA", Alphabet::Base32, 16, 16),
    // GitHub
    Form("ghp_", Alphabet::Alphanumeric, 36, ANY),
    Form("gho_", Alphabet::Alphanumeric, 36, ANY),
    Form("ghu_", Alphabet::Alphanumeric, 36, ANY),
    Form("ghs_", Alphabet::Dotted, 36, ANY),
    Form("ghr_", Alphabet::Alphanumeric, 36, ANY),
    Form("github_pat_", Alphabet::Word, 60, ANY),
    // GitLab
    Form("glpat-", Alphabet::Dotted, 20, ANY),
    Form("gldt-", Alphabet::Dotted, 20, ANY),
    Form("glrt-", Alphabet::Dotted, 20, ANY),
    Form("glptt-", Alphabet::Dotted, 20, ANY),
    Form("glcbt-", Alphabet::Dotted, 20, ANY),
    Form("glft-", Alphabet::Dotted, 20, ANY),
    Form("glimt-", Alphabet::Dotted, 20, ANY),
    Form("glsoat-", Alphabet::Dotted, 20, ANY),
    Form("gloas-", Alphabet::Dotted, 20, ANY),
    Form("glagent-", Alphabet::Dotted, 20, ANY),
    // Slack
    Form("xoxa-", Alphabet::Word, 20, ANY),
    Form("xoxb-", Alphabet::Word, 20, ANY),
    Form("xoxc-", Alphabet::Word, 20, ANY),
    Form("xoxd-", Alphabet::Word, 20, ANY),
    Form("xoxe-", Alphabet::Word, 20, ANY),
    Form("xoxe.xox", Alphabet::Word, 20, ANY),
    Form("xoxo-", Alphabet::Word, 20, ANY),
    Form("xoxp-", Alphabet::Word, 20, ANY),
    Form("xoxr-", Alphabet::Word, 20, ANY),
    Form("xoxs-", Alphabet::Word, 20, ANY),
    Form("xapp-", Alphabet::Word, 20, ANY),
    // Stripe
    Form("sk_live_", Alphabet::Alphanumeric, 16, ANY),
    Form("sk_test_", Alphabet::Alphanumeric, 16, ANY),
    Form("rk_live_", Alphabet::Alphanumeric, 16, ANY),
    Form("rk_test_", Alphabet::Alphanumeric, 16, ANY),
    // Standard Webhooks, Stripe among others
    Form("whsec_", Alphabet::Alphanumeric, 24, ANY),
    // Google: API key, OAuth client secret and access token
    Form("AIza", Alphabet::Word, 35, 35),
    Form("GOCSPX-", Alphabet::Word, 28, 28),
    Form("ya29.", Alphabet::Dotted, 30, ANY),
    // Package registries
    Form("npm_", Alphabet::Alphanumeric, 36, 36),
    Form("pypi-AgE", Alphabet::Word, 50, ANY),
    Form("rubygems_", Alphabet::Hex, 48, 48),
    Form("dckr_pat_", Alphabet::Word, 27, ANY),
    Form("dckr_oat_", Alphabet::Word, 27, ANY),
    // AI models
    Form("sk-", Alphabet::Alphanumeric, 48, 48),
    Form("sk-proj-", Alphabet::Word, 40, ANY),
    Form("sk-svcacct-", Alphabet::Word, 40, ANY),
    Form("sk-admin-", Alphabet::Word, 40, ANY),
    Form("sk-ant-", Alphabet::Word, 40, ANY),
    Form("sk-or-v1-", Alphabet::Hex, 64, 64),
    Form("hf_", Alphabet::Alphanumeric, 34, 40),
    // Clouds and hosts
    Form("dop_v1_", Alphabet::Hex, 64, 64),
    Form("doo_v1_", Alphabet::Hex, 64, 64),
    Form("dor_v1_", Alphabet::Hex, 64, 64),
    Form("HRKU-", Alphabet::Word, 36, ANY),
    Form("nfp_", Alphabet::Alphanumeric, 36, ANY),
    Form("sbp_", Alphabet::Hex, 40, 40),
    Form("tskey-auth-", Alphabet::Word, 20, ANY),
    Form("tskey-api-", Alphabet::Word, 20, ANY),
    Form("tskey-client-", Alphabet::Word, 20, ANY),
    Form("pscale_tkn_", Alphabet::Word, 32, ANY),
    Form("pscale_pw_", Alphabet::Word, 32, ANY),
    Form("pul-", Alphabet::Hex, 40, 40),
    // Secrets and data
    Form("hvs.", Alphabet::Word, 24, ANY),
    Form("hvb.", Alphabet::Word, 24, ANY),
    Form("dp.pt.", Alphabet::Alphanumeric, 40, ANY),
    Form("dp.st.", Alphabet::Dotted, 40, ANY),
    Form("dapi", Alphabet::Hex, 32, 32),
    Form("glsa_", Alphabet::Word, 41, 41),
    Form("NRAK-", Alphabet::Alphanumeric, 27, 27),
    Form("dt0c01.", Alphabet::Dotted, 89, 89),
    Form("sntryu_", Alphabet::Hex, 64, 64),
    // Mail, shops, payments, telephony
    Form("SG.", Alphabet::Dotted, 60, 70),
    Form("shpat_", Alphabet::Hex, 32, 32),
    Form("shpca_", Alphabet::Hex, 32, 32),
    Form("shppa_", Alphabet::Hex, 32, 32),
    Form("shpss_", Alphabet::Hex, 32, 32),
    Form("sq0atp-", Alphabet::Word, 22, ANY),
    Form("sq0csp-", Alphabet::Word, 40, ANY),
    Form("SK", Alphabet::Hex, 32, 32),
    // Team collaboration
    Form("ATATT3", Alphabet::Word, 100, ANY),
    Form("ATCTT3", Alphabet::Word, 100, ANY),
    Form("lin_api_", Alphabet::Alphanumeric, 40, ANY),
    Form("ntn_", Alphabet::Alphanumeric, 40, ANY),
    Form("figd_", Alphabet::Word, 36, ANY),
    Form("PMAK-", Alphabet::Word, 59, 59),
    // 1Password service account tokens, which are longer than a metadata value and so cut off
    Form("ops_eyJ", Alphabet::Alphanumeric, 60, ANY),
];

pub(super) fn found_in(text: &str) -> bool {
    words(text).any(|word| FORMS.iter().any(|form| form.fits(word)) || is_entra_client_secret(word))
        || has_webhook_url(text)
        || has_account_key(text)
}

impl Form {
    fn fits(&self, word: &str) -> bool {
        let Self(prefix, alphabet, least, greatest) = *self;
        word.strip_prefix(prefix).is_some_and(|rest| {
            (least..=greatest).contains(&rest.len())
                && rest.bytes().all(|byte| alphabet.has(byte))
                && (!alphabet.may_be_prose() || rest.bytes().any(|byte| byte.is_ascii_digit()))
        })
    }
}

/// Microsoft Entra ID client secrets: three characters, a digit, `Q~`, and 31 to 34 more.
fn is_entra_client_secret(word: &str) -> bool {
    let bytes = word.as_bytes();
    (37..=40).contains(&bytes.len()) && bytes[3].is_ascii_digit() && bytes[4..].starts_with(b"Q~")
}

/// Slack's incoming webhooks: the URL itself is the secret.
fn has_webhook_url(text: &str) -> bool {
    text.split("hooks.slack.com/services/T").skip(1).any(|rest| {
        rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'/').count() >= 30
    })
}

/// Azure connection strings: a base64 key after its name.
fn has_account_key(text: &str) -> bool {
    ["AccountKey=", "SharedAccessKey="].iter().any(|name| {
        text.split(name).skip(1).any(|rest| {
            let key = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte));
            key.count() >= 40
        })
    })
}
