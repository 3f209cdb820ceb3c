//! Files in the folder: which are read, and which are refused.

use super::*;

#[test]
fn each_wrong_file_is_named_with_its_fix() {
    let (rsa, ed, ec) = (rsa_jwk(&pem(SigningAlg::Rs256)), ed_jwk(), ec_jwk());
    let good = pem(SigningAlg::EdDsa);
    let block = |label: &str| pem::encode(&pem::Pem::new(label, vec![1, 2, 3]));
    // PKCS#8 with an algorithm that is not supported: Ed448, whose OID is Ed25519's plus one.
    let ed448 = {
        let mut der = pem::parse(&good).unwrap().into_contents();
        der[11] = 0x71;
        pem::encode(&pem::Pem::new("PRIVATE KEY", der))
    };
    let cases: Vec<(&str, String, &str)> = vec![
        ("a.pem", String::new(), "it is empty"),
        ("a.jwk", " \n".into(), "it is empty"),
        ("a.pem", good[..good.len() - 30].into(), "it is not PEM, or a damaged one"),
        ("a.pem", "hello".into(), "it is not PEM"),
        ("a.pem", format!("{good}{good}"), "2 PEM blocks"),
        ("a.pem", block("RSA PRIVATE KEY"), "openssl pkcs8 -topk8 -nocrypt"),
        ("a.pem", block("EC PRIVATE KEY"), "this is SEC 1"),
        ("a.pem", block("ENCRYPTED PRIVATE KEY"), "it is encrypted"),
        ("a.pem", block("PUBLIC KEY"), "a public key cannot sign"),
        ("a.pem", format!("{good}{}", block("CERTIFICATE")), "a certificate cannot sign"),
        ("a.pem", block("PRIVATE KEY"), "not valid PKCS#8"),
        ("a.pem", ed448, "kind Ed448"),
        ("a.pem", "x".repeat(70_000), "more than 65536 bytes"),
        ("a.jwk", good, "it is not a JWK: wrong JSON at line 1"),
        ("a.jwk", rsa.to_string()[..200].into(), "it is not a JWK"),
        ("a.json", json!({"keys": [ed]}).to_string(), "it is a JWK Set"),
        ("a.jwk", with(ed.clone(), "kid", "b").to_string(), "its `kid` is \"b\", and must be \"a\""),
        ("a.jwk", with(ed.clone(), "use", "enc").to_string(), "must be \"sig\""),
        ("a.jwk", with(ed.clone(), "alg", "HS256").to_string(), "`HS256` is not a supported"),
        ("a.jwk", with(ed.clone(), "alg", "ES256").to_string(), "that signs EdDSA"),
        ("a.jwk", with(ed.clone(), "crv", "X25519").to_string(), "X25519"),
        ("a.jwk", with(ed.clone(), "kty", "oct").to_string(), "`kty` \"oct\""),
        ("a.jwk", with(ed.clone(), "x", ec["x"].clone()).to_string(), "Ed25519 key was rejected"),
        ("a.jwk", with(ed.clone(), "x", "AAAA").to_string(), "the JWK's `x` is not what"),
        ("a.jwk", without(ed.clone(), "d").to_string(), "is this the public JWK?"),
        ("a.jwk", without(ed, "kty").to_string(), "lacks `kty`"),
        ("a.jwk", with(ec.clone(), "crv", "P-521").to_string(), "P-521"),
        ("a.jwk", with(ec.clone(), "y", ec["x"].clone()).to_string(), "P-256 key was rejected"),
        ("a.jwk", with(ec, "d", "!").to_string(), "the JWK's `d` is not what"),
        ("a.jwk", without(rsa.clone(), "qi").to_string(), "export the key with its primes"),
        ("a.jwk", with(rsa.clone(), "oth", json!([])).to_string(), "more than two primes"),
        ("a.jwk", with(rsa.clone(), "dp", rsa["dq"].clone()).to_string(), "was rejected"),
        ("a.jwk", with(rsa, "n", "AQAB").to_string(), "RSA key was rejected"),
    ];
    for (name, content, text) in cases {
        let fixture = Fixture::new(&[]);
        fixture.put("good.pem", pem(SigningAlg::Es256));
        fixture.put(name, &content);
        let said = fixture.refusal();
        let path = fixture.directory().join(name).display().to_string();
        assert!(
            said.starts_with(&format!("key file {path}: ")) && said.contains(text),
            "{name} ({text}): {said}"
        );
    }
}

#[test]
fn an_error_does_not_repeat_what_a_file_holds() {
    let fixture = Fixture::new(&[]);
    for content in ["\"s3cret\"", "{\"kty\": \"OKP\", \"d\": [\"s3cret\"]}", "s3cret"] {
        fixture.put("a.jwk", content);
        let error = fixture.open().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
}

#[test]
fn what_does_not_belong_is_an_error_and_the_rest_is_ignored() {
    let fixture = Fixture::new(&[SigningAlg::EdDsa]);
    for name in ["README.md", ".gitkeep", "half.pem.tmp", ".a.pem.tmp"] {
        fixture.put(name, "");
    }
    assert_eq!(fixture.open().unwrap().keys().len(), 1);
    for name in ["key.der", "notes.txt", "key", "key.PEM"] {
        fixture.put(name, "");
        assert!(fixture.refusal().contains(&format!("/{name} does not belong in the keys folder")));
        fs::remove_file(fixture.directory().join(name)).unwrap();
    }
    fs::create_dir(fixture.directory().join("old.pem")).unwrap();
    assert!(fixture.refusal().contains("/old.pem does not belong"));
    fs::remove_dir(fixture.directory().join("old.pem")).unwrap();

    fixture.put("a b.pem", pem(SigningAlg::EdDsa));
    assert!(fixture.refusal().contains("/a b.pem: its name is the key's kid: a kid has only letters"));
    fs::remove_file(fixture.directory().join("a b.pem")).unwrap();

    fixture.put("twin.pem", pem(SigningAlg::EdDsa));
    fixture.put("twin.jwk", ed_jwk().to_string());
    let said = fixture.refusal();
    assert!(said.contains("twin.jwk and ") && said.contains("twin.pem have the same kid"), "{said}");
}

#[test]
fn a_key_that_others_can_read_is_refused_where_we_can_write() {
    let fixture = Fixture::new(&[]);
    fixture.put("a.pem", pem(SigningAlg::EdDsa));
    let path = fixture.directory().join("a.pem");
    for exposed in [0o640, 0o604, 0o620] {
        fs::set_permissions(&path, Permissions::from_mode(exposed)).unwrap();
        let said = fixture.refusal();
        assert!(said.contains(&format!("mode is {exposed:04o}")) && said.contains("chmod 600"), "{said}");
        assert!(Folder::read_only(fixture.directory()).read_key(&path).unwrap().is_some());
    }
}

#[test]
fn a_wrong_manifest_is_named() {
    let fixture = Fixture::new(&[]);
    fixture.put("a.pem", pem(SigningAlg::EdDsa));
    let entry =
        json!({"alg": "EdDSA", "created_at": "2026-01-01T00:00:00Z", "activates_at": "2026-01-01T00:00:00Z"});
    let manifest =
        |version: u32, entry: &Value| json!({"version": version, "keys": {"a": entry}}).to_string();
    for (content, text) in [
        ("{".to_owned(), "EOF while parsing"),
        (manifest(2, &entry), "its version is 2"),
        (manifest(1, &with(entry.clone(), "color", "red")), "unknown field `color`"),
        (manifest(1, &with(entry.clone(), "alg", "none")), "`none` is not a supported"),
    ] {
        fixture.put("keyring.json", content);
        let said = fixture.refusal();
        assert!(said.contains("/keyring.json: ") && said.contains(text), "{text}: {said}");
    }
    fixture.put("keyring.json", manifest(1, &with(entry.clone(), "alg", "ES256")));
    assert!(fixture.refusal().ends_with("a.pem: ES256 does not go with its Ed25519 key; that signs EdDSA"));
    fixture.put("keyring.json", manifest(1, &entry));
    fixture.open().unwrap();
}

#[test]
fn an_rsa_key_takes_the_first_alg_that_needs_one_and_keeps_it() {
    let fixture = Fixture::new(&[SigningAlg::Rs256]);
    let key = pem(SigningAlg::Rs256);
    for name in ["a.pem", "b.pem", "c.pem"] {
        fixture.put(name, &key);
    }
    let keyring = fixture.open_for(&[SigningAlg::Ps384]).unwrap();
    let algs: Vec<_> = ["a", "b", "c"].map(|name| keyring.key(&kid(name)).unwrap().alg).into();
    assert_eq!(algs, [SigningAlg::Rs256, SigningAlg::Ps384, SigningAlg::Rs256]);
    assert_eq!(keyring.key(&kid("c")).unwrap().state, KeyState::Next);
    // Kept from then on, whatever clients use later.
    let again = fixture.open_for(&[SigningAlg::Rs512]);
    assert!(matches!(again, Err(KeyringError::NoActiveKey(SigningAlg::Rs512))), "{again:?}");
    assert_eq!(fixture.open().unwrap().key(&kid("b")).unwrap().alg, SigningAlg::Ps384);
    // A JWK's own alg cannot change under a kid.
    fs::remove_file(fixture.directory().join("b.pem")).unwrap();
    fixture.put("b.jwk", with(rsa_jwk(&key), "alg", "RS256").to_string());
    assert!(fixture.refusal().contains("its `alg` is RS256, not PS384"), "{}", fixture.refusal());
}

#[test]
fn a_read_only_folder_is_used_as_it_is() {
    let fixture = Fixture::new(&[SigningAlg::EdDsa, SigningAlg::Es256]);
    fixture.put("a.pem", pem(SigningAlg::EdDsa));
    fixture.put("b.pem", pem(SigningAlg::EdDsa));
    let keyring = fixture.inspect().unwrap();
    let wanted = keyring.inner.wanted();
    let rules = keyring.inner.rules(&wanted, fixture.clock.now());
    let folder = Folder::read_only(fixture.directory());
    let mut change =
        Change::begin(folder, &Schedule::default(), rules, &*keyring.inner.ambient.entropy).unwrap();
    assert_eq!(change.succeed(SigningAlg::EdDsa, None).unwrap(), None);
    let said = change.succeed(SigningAlg::Es256, None).unwrap_err().to_string();
    assert!(said.contains("cannot make a key for ES256") && said.contains("is read-only"), "{said}");
    let generation = change.commit().unwrap();
    assert!(generation.read_only);
    assert_eq!(generation.signing_key(SigningAlg::EdDsa, rules.now).unwrap().kid(), &kid("a"));
    assert!(!fixture.directory().join("keyring.json").exists());

    // What was adopted in memory is known to the next reading.
    fixture.clock.advance(DAY);
    let wanted = keyring.inner.wanted();
    let rules = keyring.inner.rules(&wanted, fixture.clock.now());
    let (later, _) =
        Generation::load(&Folder::read_only(fixture.directory()), &generation.schedule, rules).unwrap();
    assert_eq!(later.signing_key(SigningAlg::EdDsa, rules.now).unwrap().kid(), &kid("b"));
}

#[test]
fn a_swapped_mounted_secret_changes_the_fingerprint() {
    let fixture = Fixture::new(&[]);
    let directory = fixture.directory();
    for (version, key) in [("..1", pem(SigningAlg::EdDsa)), ("..2", pem(SigningAlg::EdDsa))] {
        fs::create_dir_all(directory.join(version)).unwrap();
        fs::write(directory.join(version).join("a.pem"), key).unwrap();
        fs::set_permissions(directory.join(version).join("a.pem"), Permissions::from_mode(0o600)).unwrap();
    }
    symlink("..1", directory.join("..data")).unwrap();
    symlink("..data/a.pem", directory.join("a.pem")).unwrap();
    let fingerprint = || Folder::inspect(directory).fingerprint().unwrap();
    let before = fingerprint();
    assert_eq!(before, fingerprint());
    assert_eq!(fixture.open().unwrap().keys().len(), 1);
    let before = fingerprint();
    symlink("..2", directory.join("..new")).unwrap();
    fs::rename(directory.join("..new"), directory.join("..data")).unwrap();
    assert_ne!(before, fingerprint());
}
