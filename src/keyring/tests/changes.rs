//! Reloading, importing, rotating and retiring.

use super::*;

#[test]
fn an_alg_that_clients_use_needs_a_key() {
    let fixture = Fixture::new(&[SigningAlg::EdDsa]);
    let said = fixture.open_for(&[SigningAlg::EdDsa, SigningAlg::Rs384]).unwrap_err().to_string();
    assert!(said.contains("a client uses RS384") && said.contains("add RS384 to keys.algorithms"), "{said}");
}

#[test]
fn a_key_that_is_dropped_in_waits_and_then_takes_over_without_a_reload() {
    let fixture = Fixture::new(&[]);
    fixture.put("a.pem", pem(SigningAlg::EdDsa));
    let keyring = fixture.open().unwrap();
    fixture.put("b.pem", pem(SigningAlg::EdDsa));
    keyring.reload().unwrap();
    let expected = |a, b| vec![("a".to_owned(), a), ("b".to_owned(), b)];
    assert_eq!(states(&keyring), expected(KeyState::Current, KeyState::Next));
    assert_eq!(published(&keyring), ["a", "b"]);

    fixture.clock.advance(DAY);
    assert_eq!(keyring.signing_key(SigningAlg::EdDsa).unwrap().kid(), &kid("b"));
    assert_eq!(published(&keyring), ["b", "a"]);
    fixture.clock.advance(DAY);
    assert_eq!(published(&keyring), ["b"]);
    // A restart remembers, and a removed successor does not bring the old one back.
    assert_eq!(published(&fixture.open().unwrap()), ["b"]);
    fs::remove_file(fixture.directory().join("b.pem")).unwrap();
    keyring.reload().unwrap();
    assert_eq!(states(&keyring), [("a".to_owned(), KeyState::Retired)]);
    assert!(keyring.algorithms().is_empty());
}

#[test]
fn what_clients_use_can_change_while_it_runs() {
    let fixture = Fixture::new(&[SigningAlg::EdDsa]);
    fixture.put("es.pem", pem(SigningAlg::Es256));
    let keyring = fixture.open().unwrap();
    // What nothing signs is said, and is in the way of nothing.
    let algs = BTreeSet::from([SigningAlg::Es256, SigningAlg::Es384]);
    assert_eq!(keyring.require(algs), [SigningAlg::Es384]);
    keyring.reload().unwrap();

    // The file goes: neither a reload nor a rotation of another alg takes that over.
    fs::remove_file(fixture.directory().join("es.pem")).unwrap();
    assert!(matches!(keyring.reload(), Err(KeyringError::NoActiveKey(SigningAlg::Es256))));
    assert!(matches!(keyring.rotate(SigningAlg::EdDsa, true), Err(KeyringError::NoActiveKey(_))));
    round_trip(&keyring, SigningAlg::Es256);
    // When no client uses it any more, it may go.
    assert!(keyring.require(BTreeSet::new()).is_empty());
    keyring.reload().unwrap();
    assert_eq!(keyring.algorithms(), [SigningAlg::EdDsa]);
}

#[test]
fn an_rsa_key_becomes_what_clients_have_come_to_use() {
    let fixture = Fixture::new(&[SigningAlg::Rs256]);
    let keyring = fixture.open().unwrap();
    assert_eq!(keyring.require(BTreeSet::from([SigningAlg::Ps256])), [SigningAlg::Ps256]);
    fixture.put("other.pem", pem(SigningAlg::Ps256));
    keyring.reload().unwrap();
    assert_eq!(keyring.key(&kid("other")).unwrap().alg, SigningAlg::Ps256);
}

#[test]
fn a_compromised_key_says_since_when() {
    let fixture = Fixture::new(&[SigningAlg::EdDsa]);
    let keyring = fixture.open().unwrap();
    let first = keyring.signing_key(SigningAlg::EdDsa).unwrap().kid().clone();
    assert_eq!(keyring.key(&first).unwrap().revoked_at, None);
    let when = fixture.clock.now();
    assert_eq!(keyring.retire(&first, true).unwrap().key.revoked_at, Some(when));
    fixture.clock.advance(DAY);
    assert_eq!(keyring.retire(&first, true).unwrap().key.revoked_at, Some(when));
}

#[test]
fn a_bad_reload_keeps_the_previous_keys() {
    let fixture = Fixture::new(&[SigningAlg::EdDsa]);
    let keyring = fixture.open().unwrap();
    let before = keyring.keys();
    fixture.put("bad.pem", "torn");
    fixture.put("good.pem", pem(SigningAlg::Es256));
    assert!(keyring.reload().unwrap_err().to_string().contains("bad.pem"));
    assert_eq!(keyring.keys(), before);
    round_trip(&keyring, SigningAlg::EdDsa);
    fs::remove_file(fixture.directory().join("bad.pem")).unwrap();
    keyring.reload().unwrap();
    assert_eq!(keyring.algorithms(), [SigningAlg::Es256, SigningAlg::EdDsa]);
}

#[test]
fn a_reload_that_would_leave_a_client_without_a_key_fails() {
    let fixture = Fixture::new(&[]);
    fixture.put("a.pem", pem(SigningAlg::EdDsa));
    fixture.put("b.pem", pem(SigningAlg::Es256));
    let keyring = fixture.open_for(&[SigningAlg::EdDsa]).unwrap();
    fs::remove_file(fixture.directory().join("a.pem")).unwrap();
    assert!(matches!(keyring.reload(), Err(KeyringError::NoActiveKey(SigningAlg::EdDsa))));
    assert!(keyring.signing_key(SigningAlg::EdDsa).is_some());
}

#[test]
fn keys_that_are_all_gone_are_not_replaced() {
    let fixture = Fixture::new(&[SigningAlg::EdDsa]);
    let keyring = fixture.open().unwrap();
    let before = keyring.keys();
    let elsewhere = fixture.directory().with_file_name("unmounted");
    fs::rename(fixture.directory(), &elsewhere).unwrap();
    assert!(matches!(keyring.reload(), Err(KeyringError::Io { .. })));
    assert!(!fixture.directory().exists());
    fs::create_dir(fixture.directory()).unwrap();
    assert!(matches!(keyring.reload(), Err(KeyringError::AllGone(_))));
    assert!(matches!(keyring.rotate(SigningAlg::EdDsa, true), Err(KeyringError::AllGone(_))));
    assert_eq!(keyring.keys(), before);
}

#[test]
fn a_lost_manifest_is_written_again() {
    let fixture = Fixture::new(&[SigningAlg::EdDsa]);
    let keyring = fixture.open().unwrap();
    keyring.rotate(SigningAlg::EdDsa, false).unwrap();
    let before = keyring.keys();
    fs::remove_file(fixture.directory().join("keyring.json")).unwrap();
    keyring.reload().unwrap();
    assert_eq!(keyring.keys(), before);
    assert_eq!(fixture.open().unwrap().keys(), before);
}

#[test]
fn two_that_start_together_share_their_keys() {
    let fixture = Fixture::new(&[SigningAlg::Es256, SigningAlg::EdDsa]);
    let keys: Vec<Vec<KeyInfo>> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| fixture.open().unwrap().keys())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert_eq!(keys[0].len(), 2);
    assert!(keys.iter().all(|others| *others == keys[0]), "{keys:?}");
}

#[test]
fn generate_and_import_are_seen_by_another_process_on_reload() {
    let fixture = Fixture::new(&[SigningAlg::EdDsa]);
    let service = fixture.open().unwrap();
    let shell = fixture.inspect().unwrap();
    let wanted =
        GenerateKey { alg: SigningAlg::EdDsa, kid: Some(kid("mine")), bits: None, activate_now: true };
    let made = shell.generate(wanted.clone()).unwrap();
    assert_eq!(made.state, KeyState::Current);
    assert!(matches!(shell.generate(wanted), Err(KeyringError::KidTaken(_))));

    let ec = with(with(ec_jwk(), "kid", "op-1"), "alg", "ES256").to_string();
    assert_eq!(shell.import(ec.as_bytes(), ImportKey::default()).unwrap().kid, kid("op-1"));
    assert!(matches!(
        shell.import(ed_jwk().to_string().as_bytes(), ImportKey::default()),
        Err(KeyringError::ImportKid)
    ));
    let wrong = ImportKey { kid: Some(kid("other")), ..ImportKey::default() };
    assert!(matches!(
        shell.import(ec.as_bytes(), wrong),
        Err(KeyringError::Import(KeyError::KidMismatch { .. }))
    ));
    service.reload().unwrap();
    assert_eq!(service.keys(), shell.keys());
    assert_eq!(service.signing_key(SigningAlg::EdDsa).unwrap().kid(), &kid("mine"));
    assert_eq!(mode(&fixture.directory().join("op-1.jwk")), 0o600);
}

#[test]
fn import_file_prefers_the_kid_of_the_jwk() {
    let fixture = Fixture::new(&[]);
    let file = fixture.directory().with_file_name("some file.jwk");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let keyring = fixture.inspect().unwrap();
    fs::write(&file, with(ed_jwk(), "kid", "own").to_string()).unwrap();
    assert_eq!(keyring.import_file(&file, ImportKey::default()).unwrap().kid, kid("own"));
    fs::write(&file, ed_jwk().to_string()).unwrap();
    let said = keyring.import_file(&file, ImportKey::default()).unwrap_err().to_string();
    assert!(said.contains("some file.jwk: its name is the key's kid"), "{said}");
}

#[test]
fn retiring_the_current_key_leaves_no_gap() {
    let fixture = Fixture::new(&[SigningAlg::EdDsa]);
    let keyring = fixture.open().unwrap();
    let first = keyring.keys()[0].kid.clone();
    let outcome = keyring.retire(&first, false).unwrap();
    let second = outcome.successor.unwrap();
    assert_eq!((outcome.key.state, second.state), (KeyState::Retired, KeyState::Current));
    assert_eq!(published(&keyring), [second.kid.as_str(), first.as_str()]);

    // The next one is preferred to a new one, and a compromised key is gone at once.
    let waiting = keyring.rotate(SigningAlg::EdDsa, false).unwrap().key.kid;
    let outcome = keyring.retire(&second.kid, true).unwrap();
    assert_eq!(outcome.successor.unwrap().kid, waiting);
    assert_eq!(published(&keyring), [waiting.as_str(), first.as_str()]);
    assert_eq!(published(&fixture.open().unwrap()), published(&keyring));

    assert_eq!(keyring.retire(&first, false).unwrap().successor, None);
    assert!(matches!(keyring.retire(&kid("nobody"), false), Err(KeyringError::UnknownKid(_))));
}

#[test]
fn a_due_rotation_announces_a_key_of_the_same_size() {
    let mut fixture = Fixture::new(&[SigningAlg::Rs256]);
    fixture.config.rotate_every = Some(DAY * 90);
    let jwk = GenerateKey {
        alg: SigningAlg::Rs256,
        kid: Some(kid("a")),
        bits: Some(RsaBits::B3072),
        activate_now: false,
    };
    fixture.inspect().unwrap().generate(jwk).unwrap();
    let keyring = fixture.open().unwrap();
    assert!(keyring.rotate_due().unwrap().is_empty());
    fixture.clock.advance(DAY * 89);
    let made = keyring.rotate_due().unwrap();
    assert_eq!(made.len(), 1);
    assert!(keyring.rotate_due().unwrap().is_empty());
    let next = keyring.key(&made[0]).unwrap();
    assert_eq!((next.state, next.kind), (KeyState::Next, KeyKind::Rsa { bits: 3072 }));
    fixture.clock.advance(DAY);
    assert_eq!(keyring.signing_key(SigningAlg::Rs256).unwrap().kid(), &made[0]);
}
