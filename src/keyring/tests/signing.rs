//! Keys that are generated or found, what they sign, and the JWKS.

use super::*;

#[test]
fn first_start_makes_private_keys_and_the_second_keeps_them() {
    let fixture = Fixture::new(&[SigningAlg::Rs256, SigningAlg::Es256]);
    let keyring = fixture.open().unwrap();
    assert_eq!(mode(fixture.directory()), 0o700);
    let keys = keyring.keys();
    assert_eq!(keys.len(), 2);
    for key in &keys {
        assert_eq!(key.state, KeyState::Current);
        let prefix = format!("{}-20260102-", key.alg.as_str().to_ascii_lowercase());
        assert!(key.kid.as_str().starts_with(&prefix), "{}", key.kid);
        assert_eq!(mode(&fixture.directory().join(format!("{}.pem", key.kid))), 0o600);
    }
    assert_eq!(keys[0].kind, KeyKind::Rsa { bits: 2048 });
    assert_eq!(keyring.algorithms(), [SigningAlg::Rs256, SigningAlg::Es256]);
    assert!(keyring.signing_key(SigningAlg::Ps256).is_none());
    round_trip(&keyring, SigningAlg::Rs256);
    assert_eq!(fixture.open().unwrap().keys(), keys);
    let names: BTreeSet<String> = fs::read_dir(fixture.directory())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 4, "two keys, keyring.json and .lock, and nothing left over: {names:?}");
}

#[test]
fn a_folder_that_is_there_already_becomes_private_with_its_first_key() {
    let fixture = Fixture::new(&[SigningAlg::EdDsa]);
    fixture.put("README.md", "what belongs here");
    fs::set_permissions(fixture.directory(), Permissions::from_mode(0o755)).unwrap();
    fixture.open().unwrap();
    assert_eq!(mode(fixture.directory()), 0o700);
}

#[test]
fn every_alg_round_trips_through_the_jwks() {
    let fixture = Fixture::new(&[]);
    let jwk = rsa_jwk(&pem(SigningAlg::Rs256));
    for alg in SigningAlg::ALL.into_iter().filter(|alg| alg.is_rsa()) {
        fixture.put(&format!("{alg}.jwk"), with(jwk.clone(), "alg", alg.as_str()).to_string());
    }
    fixture.put("es256.jwk", ec_jwk().to_string());
    fixture.put("es384.pem", pem(SigningAlg::Es384));
    fixture.put("eddsa.json", ed_jwk().to_string());
    let keyring = fixture.open_for(&SigningAlg::ALL).unwrap();
    assert_eq!(keyring.algorithms(), SigningAlg::ALL);
    for alg in SigningAlg::ALL {
        round_trip(&keyring, alg);
    }
}

#[test]
fn padded_rsa_numbers_are_read() {
    let fixture = Fixture::new(&[]);
    fixture.put("a.jwk", with(rsa_jwk(&pem(SigningAlg::Rs256)), "e", "AAEAAQ").to_string());
    let keyring = fixture.open().unwrap();
    round_trip(&keyring, SigningAlg::Rs256);
    assert_eq!(serde_json::to_value(keyring.jwks()).unwrap()["keys"][0]["e"], "AQAB");
}

#[test]
fn generated_keys_of_every_kind_sign() {
    let fixture = Fixture::new(&[SigningAlg::Ps256, SigningAlg::Es256, SigningAlg::Es384, SigningAlg::EdDsa]);
    let keyring = fixture.open().unwrap();
    for alg in keyring.algorithms() {
        round_trip(&keyring, alg);
    }
}

#[test]
fn the_jwks_shows_public_members_only() {
    let fixture = Fixture::new(&[]);
    let rsa = rsa_jwk(&pem(SigningAlg::Rs256));
    fixture.put("r.jwk", rsa.to_string());
    fixture.put("e.jwk", ec_jwk().to_string());
    fixture.put("o.jwk", with(ed_jwk(), "use", "sig").to_string());
    let jwks = serde_json::to_value(fixture.open().unwrap().jwks()).unwrap();
    let expected = json!({"keys": [
        {"kid": "r", "kty": "RSA", "use": "sig", "alg": "RS256", "n": rsa["n"], "e": "AQAB"},
        {"kid": "e", "kty": "EC", "use": "sig", "alg": "ES256", "crv": "P-256", "x": ec_jwk()["x"], "y": ec_jwk()["y"]},
        {"kid": "o", "kty": "OKP", "use": "sig", "alg": "EdDSA", "crv": "Ed25519", "x": ed_jwk()["x"]},
    ]});
    assert_eq!(jwks, expected);
}

#[test]
fn keys_made_with_openssl_sign() {
    let fixture = Fixture::new(&[]);
    let kinds: [(&str, &[&str]); 4] = [
        ("rsa", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
        ("p256", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
        ("p384", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
        ("ed", &["-algorithm", "ED25519"]),
    ];
    for (name, arguments) in kinds {
        let made = std::process::Command::new("openssl").arg("genpkey").args(arguments).output();
        let made = match made {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                println!("there is no openssl here: nothing was tested");
                return;
            }
            made => made.unwrap(),
        };
        assert!(made.status.success(), "{made:?}");
        fixture.put(&format!("{name}.pem"), made.stdout);
    }
    let keyring = fixture.open().unwrap();
    let algs = [SigningAlg::Rs256, SigningAlg::Es256, SigningAlg::Es384, SigningAlg::EdDsa];
    assert_eq!(keyring.algorithms(), algs);
    for alg in algs {
        round_trip(&keyring, alg);
        // And the other way round: an operator can take our keys elsewhere.
        let wanted = GenerateKey { alg, kid: None, bits: None, activate_now: false };
        let path = fixture.directory().join(format!("{}.pem", keyring.generate(wanted).unwrap().kid));
        let read = std::process::Command::new("openssl").args(["pkey", "-noout", "-in"]).arg(path).output();
        assert!(read.as_ref().unwrap().status.success(), "{alg}: {read:?}");
    }
}

#[test]
fn a_token_is_signed_only_under_the_keys_own_header() {
    let fixture = Fixture::new(&[SigningAlg::EdDsa]);
    let key = fixture.open().unwrap().signing_key(SigningAlg::EdDsa).unwrap();
    let good = header(&key, None);
    assert!(key.encode(&good, &json!({})).is_ok());
    let wrong_kid = Header { kid: Some("other".into()), ..good.clone() };
    let no_kid = Header { kid: None, ..good.clone() };
    let wrong_alg = Header { alg: jsonwebtoken::Algorithm::ES256, ..good };
    for header in [wrong_kid, no_kid, wrong_alg] {
        assert!(matches!(key.encode(&header, &json!({})), Err(SignError::Header { .. })));
    }
    assert_eq!(format!("{key:?}"), format!("SigningKey {{ kid: {:?}, alg: EdDsa, .. }}", key.kid().as_str()));
}
