//! Values that are detected, and values that must not be.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn found(key: &str, value: &str) -> Option<Kind> {
    let entries = BTreeMap::from([(key.to_owned(), value.to_owned())]);
    let findings = find(&SessionMetadata::try_from(entries).unwrap());
    assert!(findings.len() <= 1);
    findings.first().map(|finding| {
        assert_eq!(finding.key.as_deref(), Some(key));
        finding.kind
    })
}

/// Concatenated at run time, so that secret scanners do not report this file.
fn token(prefix: &str, rest: &str) -> String {
    format!("{prefix}{rest}")
}

fn repeated(prefix: &str, chars: usize) -> String {
    format!("{prefix}{}", "a1B2c3D4".chars().cycle().take(chars).collect::<String>())
}

fn hex(prefix: &str, chars: usize) -> String {
    format!("{prefix}{}", "0123456789abcdef".chars().cycle().take(chars).collect::<String>())
}

#[test]
fn private_keys_are_recognised() {
    for label in [
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "DSA PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK",
    ] {
        let pem = format!("-----BEGIN {label}-----\nMIIEvQIBADANBgkq");
        assert_eq!(found("k", &pem), Some(Kind::PrivateKey), "{label}");
        assert_eq!(found("k", &pem.replace('\n', "\\n")), Some(Kind::PrivateKey), "{label}");
    }
    for value in [
        "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----",
        "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1JSUV2UUlCQURBTkJna3Foa2lHOXcw",
        "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpNSUlFcEFJQkFBS0NBUUVB",
        "PuTTY-User-Key-File-3: ssh-ed25519",
        r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","d":"jpsQnnGQmL-YBIff"}"#,
        r#"{ "kty": "OKP", "crv": "Ed25519", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A" }"#,
        r#"{"keys":[{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMko"}]}"#,
        r#"key={"kty":"RSA","d":"x"};"#,
    ] {
        assert_eq!(found("k", value), Some(Kind::PrivateKey), "{value}");
    }
    let age = format!("AGE-SECRET-KEY-1{}", "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L".repeat(2));
    assert_eq!(found("k", &age), Some(Kind::PrivateKey));
}

#[test]
fn bearer_tokens_are_recognised() {
    let header = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
    let spaced = "eyAiYWxnIjogIlJTMjU2IiB9";
    let payload = "eyJzdWIiOiIxMjM0NTY3ODkwIn0";
    for value in [
        format!("{header}.{payload}.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"),
        format!("{spaced}.{payload}.c2ln"),
        format!("the token is {header}.{payload}.c2ln."),
        format!("id_token={header}.{payload}.c2ln&state=1"),
        format!("eyJhbGciOiJub25lIn0.{payload}."),
        "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..aXY.Y3Q.dGFn".to_owned(),
        "Bearer mF_9.B5f-4.1JqM".to_owned(),
        "Authorization: bearer  0123456789abcdef".to_owned(),
        format!("BEARER {}", "abcdefgh".repeat(4)),
    ] {
        assert_eq!(found("k", &value), Some(Kind::BearerToken), "{value}");
    }
}

#[test]
fn api_keys_are_recognised() {
    let long = |prefix: &str| repeated(prefix, 90);
    for value in [
        token("AKIA", "IOSFODNN7EXAMPLE"),
        // This alphabet excludes prose, so no digit is required.
        token("AKIA", "IOSFODNNAEXAMPLE"),
        token("ASIA", "Y34FZKBOKMUTVV7A"),
        repeated("ghp_", 36),
        repeated("gho_", 36),
        repeated("ghs_", 36),
        long("github_pat_"),
        repeated("glpat-", 20),
        format!("{}.01.0a1b2c3d4", repeated("glpat-", 27)),
        token("xoxb-", "123456789012-1234567890123-abcdefABCDEF"),
        token("xapp-", "1-A0123456789-1234567890123-0123456789abcdef"),
        repeated("sk_live_", 24),
        repeated("rk_live_", 24),
        repeated("sk_test_", 99),
        repeated("whsec_", 32),
        token("AIza", "SyA0b1C2d3E4f5G6h7I8j9K0l1M2n3O4p5Q"),
        repeated("GOCSPX-", 28),
        long("ya29."),
        repeated("npm_", 36),
        long("pypi-AgE"),
        hex("rubygems_", 48),
        repeated("dckr_pat_", 27),
        repeated("sk-", 48),
        long("sk-proj-"),
        long("sk-ant-api03-"),
        hex("sk-or-v1-", 64),
        repeated("hf_", 34),
        hex("dop_v1_", 64),
        hex("dapi", 32),
        hex("shpat_", 32),
        hex("SK", 32),
        repeated("hvs.", 90),
        format!("{}.{}", repeated("SG.", 22), repeated("", 43)),
        repeated("ATATT3", 180),
        repeated("lin_api_", 40),
        repeated("logoutd_", 43),
        token("abc8", "Q~dEfGhIjKlMnOpQrStUvWxYz0123456789"),
        token("https://hooks.slack.com/services/", "T00000000/B00000000/aB1cD2eF3gH4iJ5kL6mN7oP8"),
        format!("AccountName=a;AccountKey={}==", repeated("", 86)),
    ] {
        for text in
            [value.clone(), format!("key: {value}."), format!("\"{value}\""), format!("k={value}&x=1")]
        {
            assert_eq!(found("k", &text), Some(Kind::ApiKey), "{text}");
        }
        if !value.contains(['=', '/']) {
            assert_eq!(found("k", &format!("x{value}")), None, "{value}");
        }
    }
}

#[test]
fn payment_cards_are_recognised() {
    for number in [
        "4111111111111111",
        "4222222222222",
        "4012888888881881",
        "5555555555554444",
        "5105105105105100",
        "2223003122003222",
        "378282246310005",
        "371449635398431",
        "6011111111111117",
        "30569309025904",
        "36227206271667",
        "3530111333300000",
        "6200000000000005",
        "6304000000000000",
        "2200000000000004",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "3782 822463 10005",
        "3782-822463-10005",
        "3056 930902 5904",
        "6205 5000 0000 0000 004",
    ] {
        for text in [
            number.to_owned(),
            format!("card {number}"),
            format!("{number} 12/27 123"),
            format!("pan={number};"),
            format!("pan.{number}"),
            format!("({number})."),
            format!("{{\"pan\":\"{number}\"}}"),
        ] {
            assert_eq!(found("k", &text), Some(Kind::PaymentCard), "{text}");
        }
    }
}

#[test]
fn social_security_numbers_are_recognised() {
    for value in ["123-45-6789", "SSN: 078-05-1120.", "899-99-9999", "(001-01-0001)"] {
        assert_eq!(found("k", value), Some(Kind::SocialSecurityNumber), "{value}");
    }
    for key in [
        "ssn",
        "SSN",
        "user_ssn",
        "user-ssn",
        "userSSN",
        "userSsn",
        "ssnumber",
        "social",
        "social_security_number",
    ] {
        for value in ["123456789", "123 45 6789", "123-456789"] {
            assert_eq!(found(key, value), Some(Kind::SocialSecurityNumber), "{key}");
        }
    }
}

/// Typical metadata values, and near misses of every kind.
const HARMLESS: &[&str] = &[
    "",
    " ",
    "org_abc123",
    "org_Zx9Kq2LmN0pQ8rSt",
    "auth0|5f7c8ec7c33c6c004bbafe82",
    "google-oauth2|103547991597142817347",
    "acme-corp",
    "Acme, Inc. (Berlin)",
    "9f1c2d3e-4b5a-6789-abcd-ef0123456789",
    "12345678-1234-1234-1234-123456789012",
    "00000000-0000-0000-0000-000000000000",
    "4111111111111111-1234-1234-1234-123456789012",
    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "cjld2cjxh0000qzrmn831i7rn",
    "507f1f77bcf86cd799439011",
    "d41d8cd98f00b204e9800998ecf8427e",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "key-d41d8cd98f00b204e9800998ecf8427e",
    "0199b2c0-7d1e-7c3a-8f00-3b1d5c2e9a10",
    "Pixel 8 Pro",
    "iPhone15,3",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "203.0.113.7",
    "2001:db8:85a3::8a2e:370:7334",
    "00:1A:2B:3C:4D:5E",
    "alice@example.com",
    "eve.alg.example.com",
    "e.f.g",
    "ey.ey.ey",
    "https://op.example.com/.well-known/openid-configuration?x=4",
    "urn:mace:incommon:iap:silver",
    "2026-01-02T03:04:05.123456789Z",
    "1767323045",
    "1767323045123",
    "1767323045123456",
    "1767323045123456789",
    "175928847299117063",
    "1798123456789012345",
    "+491761234567890",
    "+4915112345678901",
    "+1 (555) 010-9999",
    "555-12-34567",
    "49.9999999999999999",
    "4.111111111111111",
    "4111111111111112",
    "4111 1111 1111 1112",
    "4111  1111 1111 1111",
    "4111-1111 1111-1111",
    "4111.1111.1111.1111",
    "411 1111 1111 11111",
    "4111-1111-1111-1111-1",
    "order-4111111111111111",
    "4111111111111111-7",
    "id_4111111111111111",
    "4111111111111111a",
    "a4111111111111111",
    "41111111111111111111",
    "1111111111111111",
    "0000000000000000",
    "0000 0000 0000 0000",
    "4444444444444444",
    "9111111111111116",
    "1234567812345670",
    "490154203237518",
    "353879234252633",
    "8944500102198304826",
    "9783161484100",
    "4006381333931",
    "DE89370400440532013000",
    "GB29NWBK60161331926819",
    "000-12-3456",
    "666-12-3456",
    "900-12-3456",
    "999-99-9999",
    "123-00-4567",
    "123-45-0000",
    "1123-45-6789",
    "123-45-67890",
    "123-45-6789-1",
    "1-123-45-6789",
    "123-456-789",
    "123456789",
    "123 45 6789",
    "2024-12-3456",
    "x123-45-6789",
    "AKIA",
    "AKIAIOSFODNN7EXAMPL",
    "AKIAIOSFODNN7EXAMPLES",
    "akiaiosfodnn7example",
    "ASIA-PACIFIC-HEADQUARTERS",
    "ASIAPACIFICHEADQUARTERS",
    "sk_live_",
    "sk_live_subscription",
    "sk_live_short1",
    "sk-learn-1.5.0",
    "pk_live_a1B2c3D4a1B2c3D4a1B2c3D4",
    "ghp_short1",
    "github_pat_policy",
    "glpat-docs",
    "npm_install",
    "npm_config_registry",
    "xoxo-from-me-to-you-with-all-my-love",
    "xoxb-1",
    "AIzaShort",
    "SG.Singapore",
    "SKU-12345",
    "SK0123456789ABCDEF0123456789ABCDEF",
    "hf_transfer",
    "pul-lever",
    "dapidapi",
    "logoutd_role",
    "logoutd_subscription_of_the_shop_in_berlin",
    "ops_team_emea",
    "hooks.slack.com/services/T",
    "AccountKey=none",
    "Bearer",
    "Bearer of good news",
    "bearer token",
    "Bearer internationalization",
    "Bearer 004917612345678",
    "standard-bearer 12",
    "forbearer 0123456789abcdef",
    "eyJhbGciOiJIUzI1NiJ9",
    "eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiIxIn0.c2ln",
    "eyJzdWIiOiIxIn0.eyJzdWIiOiIxIn0",
    "-----BEGIN CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----",
    "-----BEGIN PGP PUBLIC KEY BLOCK-----",
    "-----BEGIN CERTIFICATE-----PRIVATE KEY",
    "BEGIN PRIVATE KEY",
    "where our PRIVATE KEY ceremony will BEGIN -- PRIVATE KEY",
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUM",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS",
    r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}"#,
    r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs","e":"AQAB"}"#,
    r#"the member "kty" of a JWK"#,
    "{}",
    "ä¼ 4111–1111–1111–1111",
    "3.4111111111111111",
    "日本語の組織",
];

#[test]
fn harmless_values_are_not_detected() {
    for value in HARMLESS {
        assert_eq!(found("k", value), None, "{value}");
    }
    for key in ["session_name", "className", "classname", "mission", "assn", "account"] {
        assert_eq!(found(key, "123456789"), None, "{key}");
    }
    for value in ["000456789", "123004567", "123450000", "923456789", "12345678", "1234567890", "123.456.789"]
    {
        assert_eq!(found("ssn", value), None, "{value}");
    }
}

#[test]
fn a_sensitive_key_is_not_included_in_the_finding() {
    for key in ["4111111111111111", "4111-1111-1111-1111", "123-45-6789", &repeated("ghp_", 36)] {
        let metadata = SessionMetadata::try_from(BTreeMap::from([(key.to_owned(), String::new())])).unwrap();
        let findings = find(&metadata);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].key, None);
        assert!(!format!("{findings:?}").contains(key));
    }
}

#[test]
fn each_entry_has_at_most_one_finding() {
    let entries = [("a", "4111111111111111"), ("b", "fine"), ("c", "123-45-6789 and 4111111111111111")];
    let entries = entries.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let findings = find(&SessionMetadata::try_from(BTreeMap::from(entries)).unwrap());
    let found: Vec<_> = findings.iter().map(|it| (it.key.as_deref().unwrap(), it.kind)).collect();
    assert_eq!(found, [("a", Kind::PaymentCard), ("c", Kind::PaymentCard)]);
}

/// `digits` with their check digit.
fn check_digit(digits: &str) -> String {
    let right = (0..=9).map(|digit| format!("{digits}{digit}")).filter(|whole| payment_card::luhn(whole));
    let all: Vec<String> = right.collect();
    assert_eq!(all.len(), 1, "exactly one check digit is right");
    all.into_iter().next().unwrap()
}

fn grouped(number: &str, lengths: &[usize], separator: &str) -> String {
    let mut rest = number;
    let mut groups = Vec::new();
    for length in lengths {
        let (group, after) = rest.split_at(*length);
        groups.push(group);
        rest = after;
    }
    assert!(rest.is_empty());
    groups.join(separator)
}

proptest! {
    #[test]
    fn a_wrong_digit_is_detected(digits in "[0-9]{12,18}", at in 0usize..19, by in 1u8..10) {
        let right = check_digit(&digits);
        let mut wrong = right.clone().into_bytes();
        let at = at % wrong.len();
        wrong[at] = (wrong[at] - b'0' + by) % 10 + b'0';
        prop_assert!(payment_card::luhn(&right));
        prop_assert!(!payment_card::luhn(&String::from_utf8(wrong).unwrap()));
    }

    #[test]
    fn card_numbers_are_found_in_every_grouping(
        (start, lengths) in prop::sample::select(vec![
            ("4", &[4usize, 4, 4, 4][..]), ("51", &[4, 4, 4, 4]), ("2720", &[4, 4, 4, 4]),
            ("6011", &[4, 4, 4, 4]), ("34", &[4, 6, 5]), ("37", &[4, 6, 5]), ("36", &[4, 6, 4]),
            ("62", &[4, 4, 4, 4, 3]), ("3540", &[4, 4, 4, 4]), ("4", &[4, 4, 5]),
        ]),
        digits in "[0-9]{19}",
        separator in prop::sample::select(vec!["", " ", "-"]),
        before in prop::sample::select(vec!["", "card: ", "(", "ü "]),
        after in prop::sample::select(vec!["", ".", ", thanks", ")"]),
    ) {
        let length: usize = lengths.iter().sum();
        let number = check_digit(&format!("{start}{digits}")[..length - 1]);
        let text = format!("{before}{}{after}", grouped(&number, lengths, separator));
        prop_assert_eq!(found("k", &text), Some(Kind::PaymentCard), "{}", text);
    }

    #[test]
    fn every_issued_social_security_number_is_found(area in 1u32..900, group in 1u32..100, serial in 1u32..10_000) {
        let number = format!("{area:03}-{group:02}-{serial:04}");
        prop_assert_eq!(found("k", &number), (area != 666).then_some(Kind::SocialSecurityNumber));
    }

    #[test]
    fn uuids_and_prefixed_ids_are_harmless(
        uuid in "[0-9]{8}-[0-9]{4}-4[0-9]{3}-[89ab][0-9]{3}-[0-9]{12}",
        id in "(org|user|cus|usr|sess|con|dev)_[A-Za-z0-9]{6,32}",
        hex in "[0-9a-f]{24,64}",
    ) {
        prop_assert_eq!(found("k", &uuid), None);
        prop_assert_eq!(found("k", &id), None);
        // Hexadecimal digits that happen to be all decimal may be a card number.
        prop_assume!(hex.bytes().any(|byte| byte.is_ascii_alphabetic()));
        prop_assert_eq!(found("k", &hex), None);
    }

    #[test]
    fn no_text_causes_a_panic(key in "[A-Za-z0-9_-]{1,40}", value in any::<String>()) {
        let value: String = value.chars().take(255).collect();
        let metadata = SessionMetadata::try_from(BTreeMap::from([(key, value)])).unwrap();
        find(&metadata);
    }

    #[test]
    fn findings_do_not_contain_the_value(
        value in prop::sample::select(vec![
            "4111111111111111".to_owned(), "123-45-6789".to_owned(), repeated("ghp_", 36),
            "Bearer 0123456789abcdef".to_owned(), "-----BEGIN PRIVATE KEY-----MIIE".to_owned(),
        ]),
        before in "[a-z ]{0,10} ",
    ) {
        let text = format!("{before}{value}");
        let metadata = SessionMetadata::try_from(BTreeMap::from([("k".to_owned(), text)])).unwrap();
        let findings = find(&metadata);
        prop_assert_eq!(findings.len(), 1);
        let shown = format!("{findings:?} {} {}", findings[0].kind, findings[0].kind.as_str());
        prop_assert!(!shown.contains(&value));
    }
}
