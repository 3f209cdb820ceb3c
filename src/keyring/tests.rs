//! The keyring through its own front door: real folders, real keys, a clock that is moved by hand.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, Header, Validation};
use rsa::pkcs1::{RsaPrivateKeyRef, UintRef};
use serde_json::{Value, json};

use super::folder::Folder;
use super::*;
use crate::clock::{Clock as _, ManualClock};

pub(super) const DAY: Duration = Duration::from_hours(24);

/// A temporary folder, a clock, and the configuration of a keyring over them.
pub(super) struct Bench {
    pub(super) clock: Arc<ManualClock>,
    pub(super) config: config::Keys,
    _temporary: tempfile::TempDir,
}

impl Bench {
    pub(super) fn new(algorithms: &[SigningAlg]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let config = config::Keys {
            directory: temporary.path().join("etc/keys"),
            algorithms: algorithms.to_vec(),
            rotate_every: None,
            publish_before: DAY,
            publish_after: DAY,
        };
        let clock = Arc::new(ManualClock::new("2026-01-02T03:04:05Z".parse().unwrap()));
        Self { clock, config, _temporary: temporary }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.config.directory
    }

    pub(super) fn open(&self) -> Result<Keyring, KeyringError> {
        self.open_for(&[])
    }

    fn open_for(&self, required: &[SigningAlg]) -> Result<Keyring, KeyringError> {
        let required = required.iter().copied().collect();
        Keyring::open(self.config.clone(), &required, self.ambient())
    }

    fn ambient(&self) -> Ambient {
        Ambient { clock: self.clock.clone(), ..Ambient::system() }
    }

    fn inspect(&self) -> Result<Keyring, KeyringError> {
        Keyring::inspect(self.config.clone(), self.ambient())
    }

    /// Puts a file into the folder as an operator would.
    pub(super) fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::create_dir_all(self.directory()).unwrap();
        let path = self.directory().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }

    fn refusal(&self) -> String {
        self.open().unwrap_err().to_string()
    }
}

pub(super) fn pem(alg: SigningAlg) -> String {
    generate::pem(alg, RsaBits::B2048).unwrap().to_string()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

pub(super) fn kid(text: &str) -> Kid {
    text.parse().unwrap()
}

fn states(keyring: &Keyring) -> Vec<(String, KeyState)> {
    keyring.keys().into_iter().map(|key| (key.kid.to_string(), key.state)).collect()
}

fn published(keyring: &Keyring) -> Vec<String> {
    keyring.jwks().keys.iter().map(|key| key.kid.to_string()).collect()
}

fn rsa_jwk(pem: &str) -> Value {
    let der = pem::parse(pem).unwrap().into_contents();
    let info = pkcs8::PrivateKeyInfoRef::try_from(der.as_slice()).unwrap();
    let key = RsaPrivateKeyRef::try_from(info.private_key.as_bytes()).unwrap();
    let text = |number: &UintRef<'_>| URL_SAFE_NO_PAD.encode(number.as_bytes());
    json!({
        "kty": "RSA", "n": text(&key.modulus), "e": text(&key.public_exponent),
        "d": text(&key.private_exponent), "p": text(&key.prime1), "q": text(&key.prime2),
        "dp": text(&key.exponent1), "dq": text(&key.exponent2), "qi": text(&key.coefficient),
    })
}

fn with(mut jwk: Value, member: &str, value: impl Into<Value>) -> Value {
    jwk[member] = value.into();
    jwk
}

fn without(mut jwk: Value, member: &str) -> Value {
    jwk.as_object_mut().unwrap().remove(member).unwrap();
    jwk
}

/// RFC 8037 appendix A.1.
fn ed_jwk() -> Value {
    json!({
        "kty": "OKP", "crv": "Ed25519", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    })
}

/// RFC 7515 appendix A.3.1.
fn ec_jwk() -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    })
}

/// Signs with the current key of `alg`, and verifies with the JWKS as a receiver does: `kid`, then `alg`.
fn header(key: &SigningKey, typ: Option<&str>) -> Header {
    let mut header = Header::new(key.alg().into());
    header.typ = typ.map(str::to_owned);
    header.kid = Some(key.kid().to_string());
    header
}

fn round_trip(keyring: &Keyring, alg: SigningAlg) {
    provider::install();
    let key = keyring.signing_key(alg).unwrap();
    let token =
        key.encode(&header(&key, Some("logout+jwt")), &json!({"iss": "https://op", "exp": 1})).unwrap();

    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("logout+jwt"));
    let jwks = serde_json::to_value(keyring.jwks()).unwrap();
    let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_value(jwks).unwrap();
    let jwk = jwks.find(&header.kid.unwrap()).unwrap();
    assert_eq!(jwk.common.key_algorithm.unwrap().to_string(), alg.as_str());

    let mut validation = Validation::new(alg.into());
    validation.validate_exp = false;
    let decoding = DecodingKey::from_jwk(jwk).unwrap();
    let decoded = jsonwebtoken::decode::<Value>(&token, &decoding, &validation).unwrap();
    assert_eq!(decoded.claims["iss"], "https://op");

    let (signed, signature) = token.rsplit_once('.').unwrap();
    let forged = format!("{}x.{signature}", &signed[..signed.len() - 1]);
    assert!(jsonwebtoken::decode::<Value>(&forged, &decoding, &validation).is_err(), "{alg}");
}

#[test]
fn first_start_makes_private_keys_and_the_second_keeps_them() {
    let bench = Bench::new(&[SigningAlg::Rs256, SigningAlg::Es256]);
    let keyring = bench.open().unwrap();
    assert_eq!(mode(bench.directory()), 0o700);
    let keys = keyring.keys();
    assert_eq!(keys.len(), 2);
    for key in &keys {
        assert_eq!(key.state, KeyState::Current);
        let prefix = format!("{}-20260102-", key.alg.as_str().to_ascii_lowercase());
        assert!(key.kid.as_str().starts_with(&prefix), "{}", key.kid);
        assert_eq!(mode(&bench.directory().join(format!("{}.pem", key.kid))), 0o600);
    }
    assert_eq!(keys[0].kind, KeyKind::Rsa { bits: 2048 });
    assert_eq!(keyring.algorithms(), [SigningAlg::Rs256, SigningAlg::Es256]);
    assert!(keyring.signing_key(SigningAlg::Ps256).is_none());
    round_trip(&keyring, SigningAlg::Rs256);
    assert_eq!(bench.open().unwrap().keys(), keys);
    let names: BTreeSet<String> = fs::read_dir(bench.directory())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 4, "two keys, keyring.json and .lock, and nothing left over: {names:?}");
}

#[test]
fn a_folder_that_is_there_already_becomes_private_with_its_first_key() {
    let bench = Bench::new(&[SigningAlg::EdDsa]);
    bench.put("README.md", "what belongs here");
    fs::set_permissions(bench.directory(), Permissions::from_mode(0o755)).unwrap();
    bench.open().unwrap();
    assert_eq!(mode(bench.directory()), 0o700);
}

#[test]
fn every_alg_round_trips_through_the_jwks() {
    let bench = Bench::new(&[]);
    let jwk = rsa_jwk(&pem(SigningAlg::Rs256));
    for alg in SigningAlg::ALL.into_iter().filter(|alg| alg.is_rsa()) {
        bench.put(&format!("{alg}.jwk"), with(jwk.clone(), "alg", alg.as_str()).to_string());
    }
    bench.put("es256.jwk", ec_jwk().to_string());
    bench.put("es384.pem", pem(SigningAlg::Es384));
    bench.put("eddsa.json", ed_jwk().to_string());
    let keyring = bench.open_for(&SigningAlg::ALL).unwrap();
    assert_eq!(keyring.algorithms(), SigningAlg::ALL);
    for alg in SigningAlg::ALL {
        round_trip(&keyring, alg);
    }
}

#[test]
fn padded_rsa_numbers_are_read() {
    let bench = Bench::new(&[]);
    bench.put("a.jwk", with(rsa_jwk(&pem(SigningAlg::Rs256)), "e", "AAEAAQ").to_string());
    let keyring = bench.open().unwrap();
    round_trip(&keyring, SigningAlg::Rs256);
    assert_eq!(serde_json::to_value(keyring.jwks()).unwrap()["keys"][0]["e"], "AQAB");
}

#[test]
fn generated_keys_of_every_kind_sign() {
    let bench = Bench::new(&[SigningAlg::Ps256, SigningAlg::Es256, SigningAlg::Es384, SigningAlg::EdDsa]);
    let keyring = bench.open().unwrap();
    for alg in keyring.algorithms() {
        round_trip(&keyring, alg);
    }
}

#[test]
fn the_jwks_shows_public_members_only() {
    let bench = Bench::new(&[]);
    let rsa = rsa_jwk(&pem(SigningAlg::Rs256));
    bench.put("r.jwk", rsa.to_string());
    bench.put("e.jwk", ec_jwk().to_string());
    bench.put("o.jwk", with(ed_jwk(), "use", "sig").to_string());
    let jwks = serde_json::to_value(bench.open().unwrap().jwks()).unwrap();
    let expected = json!({"keys": [
        {"kid": "r", "kty": "RSA", "use": "sig", "alg": "RS256", "n": rsa["n"], "e": "AQAB"},
        {"kid": "e", "kty": "EC", "use": "sig", "alg": "ES256", "crv": "P-256", "x": ec_jwk()["x"], "y": ec_jwk()["y"]},
        {"kid": "o", "kty": "OKP", "use": "sig", "alg": "EdDSA", "crv": "Ed25519", "x": ed_jwk()["x"]},
    ]});
    assert_eq!(jwks, expected);
}

#[test]
fn keys_made_with_openssl_sign() {
    let bench = Bench::new(&[]);
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
        bench.put(&format!("{name}.pem"), made.stdout);
    }
    let keyring = bench.open().unwrap();
    let algs = [SigningAlg::Rs256, SigningAlg::Es256, SigningAlg::Es384, SigningAlg::EdDsa];
    assert_eq!(keyring.algorithms(), algs);
    for alg in algs {
        round_trip(&keyring, alg);
        // And the other way round: an operator can take our keys elsewhere.
        let wanted = GenerateKey { alg, kid: None, bits: None, activate_now: false };
        let path = bench.directory().join(format!("{}.pem", keyring.generate(wanted).unwrap().kid));
        let read = std::process::Command::new("openssl").args(["pkey", "-noout", "-in"]).arg(path).output();
        assert!(read.as_ref().unwrap().status.success(), "{alg}: {read:?}");
    }
}

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
        let bench = Bench::new(&[]);
        bench.put("good.pem", pem(SigningAlg::Es256));
        bench.put(name, &content);
        let said = bench.refusal();
        let path = bench.directory().join(name).display().to_string();
        assert!(
            said.starts_with(&format!("key file {path}: ")) && said.contains(text),
            "{name} ({text}): {said}"
        );
    }
}

#[test]
fn an_error_does_not_repeat_what_a_file_holds() {
    let bench = Bench::new(&[]);
    for content in ["\"s3cret\"", "{\"kty\": \"OKP\", \"d\": [\"s3cret\"]}", "s3cret"] {
        bench.put("a.jwk", content);
        let error = bench.open().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
}

#[test]
fn what_does_not_belong_is_an_error_and_the_rest_is_ignored() {
    let bench = Bench::new(&[SigningAlg::EdDsa]);
    for name in ["README.md", ".gitkeep", "half.pem.tmp", ".a.pem.tmp"] {
        bench.put(name, "");
    }
    assert_eq!(bench.open().unwrap().keys().len(), 1);
    for name in ["key.der", "notes.txt", "key", "key.PEM"] {
        bench.put(name, "");
        assert!(bench.refusal().contains(&format!("/{name} does not belong in the keys folder")));
        fs::remove_file(bench.directory().join(name)).unwrap();
    }
    fs::create_dir(bench.directory().join("old.pem")).unwrap();
    assert!(bench.refusal().contains("/old.pem does not belong"));
    fs::remove_dir(bench.directory().join("old.pem")).unwrap();

    bench.put("a b.pem", pem(SigningAlg::EdDsa));
    assert!(bench.refusal().contains("/a b.pem: its name is the key's kid: a kid has only letters"));
    fs::remove_file(bench.directory().join("a b.pem")).unwrap();

    bench.put("twin.pem", pem(SigningAlg::EdDsa));
    bench.put("twin.jwk", ed_jwk().to_string());
    let said = bench.refusal();
    assert!(said.contains("twin.jwk and ") && said.contains("twin.pem have the same kid"), "{said}");
}

#[test]
fn a_key_that_others_can_read_is_refused_where_we_can_write() {
    let bench = Bench::new(&[]);
    bench.put("a.pem", pem(SigningAlg::EdDsa));
    let path = bench.directory().join("a.pem");
    for exposed in [0o640, 0o604, 0o620] {
        fs::set_permissions(&path, Permissions::from_mode(exposed)).unwrap();
        let said = bench.refusal();
        assert!(said.contains(&format!("mode is {exposed:04o}")) && said.contains("chmod 600"), "{said}");
        assert!(Folder::read_only(bench.directory()).read_key(&path).unwrap().is_some());
    }
}

#[test]
fn a_wrong_manifest_is_named() {
    let bench = Bench::new(&[]);
    bench.put("a.pem", pem(SigningAlg::EdDsa));
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
        bench.put("keyring.json", content);
        let said = bench.refusal();
        assert!(said.contains("/keyring.json: ") && said.contains(text), "{text}: {said}");
    }
    bench.put("keyring.json", manifest(1, &with(entry.clone(), "alg", "ES256")));
    assert!(bench.refusal().ends_with("a.pem: ES256 does not go with its Ed25519 key; that signs EdDSA"));
    bench.put("keyring.json", manifest(1, &entry));
    bench.open().unwrap();
}

#[test]
fn an_rsa_key_takes_the_first_alg_that_needs_one_and_keeps_it() {
    let bench = Bench::new(&[SigningAlg::Rs256]);
    let key = pem(SigningAlg::Rs256);
    for name in ["a.pem", "b.pem", "c.pem"] {
        bench.put(name, &key);
    }
    let keyring = bench.open_for(&[SigningAlg::Ps384]).unwrap();
    let algs: Vec<_> = ["a", "b", "c"].map(|name| keyring.key(&kid(name)).unwrap().alg).into();
    assert_eq!(algs, [SigningAlg::Rs256, SigningAlg::Ps384, SigningAlg::Rs256]);
    assert_eq!(keyring.key(&kid("c")).unwrap().state, KeyState::Next);
    // Kept from then on, whatever clients use later.
    let again = bench.open_for(&[SigningAlg::Rs512]);
    assert!(matches!(again, Err(KeyringError::NoActiveKey(SigningAlg::Rs512))), "{again:?}");
    assert_eq!(bench.open().unwrap().key(&kid("b")).unwrap().alg, SigningAlg::Ps384);
    // A JWK's own alg cannot change under a kid.
    fs::remove_file(bench.directory().join("b.pem")).unwrap();
    bench.put("b.jwk", with(rsa_jwk(&key), "alg", "RS256").to_string());
    assert!(bench.refusal().contains("its `alg` is RS256, not PS384"), "{}", bench.refusal());
}

#[test]
fn an_alg_that_clients_use_needs_a_key() {
    let bench = Bench::new(&[SigningAlg::EdDsa]);
    let said = bench.open_for(&[SigningAlg::EdDsa, SigningAlg::Rs384]).unwrap_err().to_string();
    assert!(said.contains("a client uses RS384") && said.contains("add RS384 to keys.algorithms"), "{said}");
}

#[test]
fn a_key_that_is_dropped_in_waits_and_then_takes_over_without_a_reload() {
    let bench = Bench::new(&[]);
    bench.put("a.pem", pem(SigningAlg::EdDsa));
    let keyring = bench.open().unwrap();
    bench.put("b.pem", pem(SigningAlg::EdDsa));
    keyring.reload().unwrap();
    let expected = |a, b| vec![("a".to_owned(), a), ("b".to_owned(), b)];
    assert_eq!(states(&keyring), expected(KeyState::Current, KeyState::Next));
    assert_eq!(published(&keyring), ["a", "b"]);

    bench.clock.advance(DAY);
    assert_eq!(keyring.signing_key(SigningAlg::EdDsa).unwrap().kid(), &kid("b"));
    assert_eq!(published(&keyring), ["b", "a"]);
    bench.clock.advance(DAY);
    assert_eq!(published(&keyring), ["b"]);
    // A restart remembers, and a removed successor does not bring the old one back.
    assert_eq!(published(&bench.open().unwrap()), ["b"]);
    fs::remove_file(bench.directory().join("b.pem")).unwrap();
    keyring.reload().unwrap();
    assert_eq!(states(&keyring), [("a".to_owned(), KeyState::Retired)]);
    assert!(keyring.algorithms().is_empty());
}

#[test]
fn what_clients_use_can_change_while_it_runs() {
    let bench = Bench::new(&[SigningAlg::EdDsa]);
    bench.put("es.pem", pem(SigningAlg::Es256));
    let keyring = bench.open().unwrap();
    // What nothing signs is said, and is in the way of nothing.
    let algs = BTreeSet::from([SigningAlg::Es256, SigningAlg::Es384]);
    assert_eq!(keyring.require(algs), [SigningAlg::Es384]);
    keyring.reload().unwrap();

    // The file goes: neither a reload nor a rotation of another alg takes that over.
    fs::remove_file(bench.directory().join("es.pem")).unwrap();
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
    let bench = Bench::new(&[SigningAlg::Rs256]);
    let keyring = bench.open().unwrap();
    assert_eq!(keyring.require(BTreeSet::from([SigningAlg::Ps256])), [SigningAlg::Ps256]);
    bench.put("other.pem", pem(SigningAlg::Ps256));
    keyring.reload().unwrap();
    assert_eq!(keyring.key(&kid("other")).unwrap().alg, SigningAlg::Ps256);
}

#[test]
fn a_compromised_key_says_since_when() {
    let bench = Bench::new(&[SigningAlg::EdDsa]);
    let keyring = bench.open().unwrap();
    let first = keyring.signing_key(SigningAlg::EdDsa).unwrap().kid().clone();
    assert_eq!(keyring.key(&first).unwrap().revoked_at, None);
    let when = bench.clock.now();
    assert_eq!(keyring.retire(&first, true).unwrap().key.revoked_at, Some(when));
    bench.clock.advance(DAY);
    assert_eq!(keyring.retire(&first, true).unwrap().key.revoked_at, Some(when));
}

#[test]
fn a_bad_reload_keeps_the_previous_keys() {
    let bench = Bench::new(&[SigningAlg::EdDsa]);
    let keyring = bench.open().unwrap();
    let before = keyring.keys();
    bench.put("bad.pem", "torn");
    bench.put("good.pem", pem(SigningAlg::Es256));
    assert!(keyring.reload().unwrap_err().to_string().contains("bad.pem"));
    assert_eq!(keyring.keys(), before);
    round_trip(&keyring, SigningAlg::EdDsa);
    fs::remove_file(bench.directory().join("bad.pem")).unwrap();
    keyring.reload().unwrap();
    assert_eq!(keyring.algorithms(), [SigningAlg::Es256, SigningAlg::EdDsa]);
}

#[test]
fn a_reload_that_would_leave_a_client_without_a_key_fails() {
    let bench = Bench::new(&[]);
    bench.put("a.pem", pem(SigningAlg::EdDsa));
    bench.put("b.pem", pem(SigningAlg::Es256));
    let keyring = bench.open_for(&[SigningAlg::EdDsa]).unwrap();
    fs::remove_file(bench.directory().join("a.pem")).unwrap();
    assert!(matches!(keyring.reload(), Err(KeyringError::NoActiveKey(SigningAlg::EdDsa))));
    assert!(keyring.signing_key(SigningAlg::EdDsa).is_some());
}

#[test]
fn keys_that_are_all_gone_are_not_replaced() {
    let bench = Bench::new(&[SigningAlg::EdDsa]);
    let keyring = bench.open().unwrap();
    let before = keyring.keys();
    let elsewhere = bench.directory().with_file_name("unmounted");
    fs::rename(bench.directory(), &elsewhere).unwrap();
    assert!(matches!(keyring.reload(), Err(KeyringError::Io { .. })));
    assert!(!bench.directory().exists());
    fs::create_dir(bench.directory()).unwrap();
    assert!(matches!(keyring.reload(), Err(KeyringError::AllGone(_))));
    assert!(matches!(keyring.rotate(SigningAlg::EdDsa, true), Err(KeyringError::AllGone(_))));
    assert_eq!(keyring.keys(), before);
}

#[test]
fn a_lost_manifest_is_written_again() {
    let bench = Bench::new(&[SigningAlg::EdDsa]);
    let keyring = bench.open().unwrap();
    keyring.rotate(SigningAlg::EdDsa, false).unwrap();
    let before = keyring.keys();
    fs::remove_file(bench.directory().join("keyring.json")).unwrap();
    keyring.reload().unwrap();
    assert_eq!(keyring.keys(), before);
    assert_eq!(bench.open().unwrap().keys(), before);
}

#[test]
fn two_that_start_together_share_their_keys() {
    let bench = Bench::new(&[SigningAlg::Es256, SigningAlg::EdDsa]);
    let keys: Vec<Vec<KeyInfo>> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| bench.open().unwrap().keys())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert_eq!(keys[0].len(), 2);
    assert!(keys.iter().all(|others| *others == keys[0]), "{keys:?}");
}

#[test]
fn generate_and_import_are_seen_by_another_process_on_reload() {
    let bench = Bench::new(&[SigningAlg::EdDsa]);
    let service = bench.open().unwrap();
    let shell = bench.inspect().unwrap();
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
    assert_eq!(mode(&bench.directory().join("op-1.jwk")), 0o600);
}

#[test]
fn import_file_prefers_the_kid_of_the_jwk() {
    let bench = Bench::new(&[]);
    let file = bench.directory().with_file_name("some file.jwk");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let keyring = bench.inspect().unwrap();
    fs::write(&file, with(ed_jwk(), "kid", "own").to_string()).unwrap();
    assert_eq!(keyring.import_file(&file, ImportKey::default()).unwrap().kid, kid("own"));
    fs::write(&file, ed_jwk().to_string()).unwrap();
    let said = keyring.import_file(&file, ImportKey::default()).unwrap_err().to_string();
    assert!(said.contains("some file.jwk: its name is the key's kid"), "{said}");
}

#[test]
fn retiring_the_current_key_leaves_no_gap() {
    let bench = Bench::new(&[SigningAlg::EdDsa]);
    let keyring = bench.open().unwrap();
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
    assert_eq!(published(&bench.open().unwrap()), published(&keyring));

    assert_eq!(keyring.retire(&first, false).unwrap().successor, None);
    assert!(matches!(keyring.retire(&kid("nobody"), false), Err(KeyringError::UnknownKid(_))));
}

#[test]
fn a_due_rotation_announces_a_key_of_the_same_size() {
    let mut bench = Bench::new(&[SigningAlg::Rs256]);
    bench.config.rotate_every = Some(DAY * 90);
    let jwk = GenerateKey {
        alg: SigningAlg::Rs256,
        kid: Some(kid("a")),
        bits: Some(RsaBits::B3072),
        activate_now: false,
    };
    bench.inspect().unwrap().generate(jwk).unwrap();
    let keyring = bench.open().unwrap();
    assert!(keyring.rotate_due().unwrap().is_empty());
    bench.clock.advance(DAY * 89);
    let made = keyring.rotate_due().unwrap();
    assert_eq!(made.len(), 1);
    assert!(keyring.rotate_due().unwrap().is_empty());
    let next = keyring.key(&made[0]).unwrap();
    assert_eq!((next.state, next.kind), (KeyState::Next, KeyKind::Rsa { bits: 3072 }));
    bench.clock.advance(DAY);
    assert_eq!(keyring.signing_key(SigningAlg::Rs256).unwrap().kid(), &made[0]);
}

#[test]
fn a_read_only_folder_is_used_as_it_is() {
    let bench = Bench::new(&[SigningAlg::EdDsa, SigningAlg::Es256]);
    bench.put("a.pem", pem(SigningAlg::EdDsa));
    bench.put("b.pem", pem(SigningAlg::EdDsa));
    let keyring = bench.inspect().unwrap();
    let wanted = keyring.inner.wanted();
    let rules = keyring.inner.rules(&wanted, bench.clock.now());
    let folder = Folder::read_only(bench.directory());
    let mut change =
        Change::begin(folder, &Schedule::default(), rules, &*keyring.inner.ambient.entropy).unwrap();
    assert_eq!(change.succeed(SigningAlg::EdDsa, None).unwrap(), None);
    let said = change.succeed(SigningAlg::Es256, None).unwrap_err().to_string();
    assert!(said.contains("cannot make a key for ES256") && said.contains("is read-only"), "{said}");
    let generation = change.commit().unwrap();
    assert!(generation.read_only);
    assert_eq!(generation.signing_key(SigningAlg::EdDsa, rules.now).unwrap().kid(), &kid("a"));
    assert!(!bench.directory().join("keyring.json").exists());

    // What was adopted in memory is known to the next reading.
    bench.clock.advance(DAY);
    let wanted = keyring.inner.wanted();
    let rules = keyring.inner.rules(&wanted, bench.clock.now());
    let (later, _) =
        Generation::load(&Folder::read_only(bench.directory()), &generation.schedule, rules).unwrap();
    assert_eq!(later.signing_key(SigningAlg::EdDsa, rules.now).unwrap().kid(), &kid("b"));
}

#[test]
fn a_token_is_signed_only_under_the_keys_own_header() {
    let bench = Bench::new(&[SigningAlg::EdDsa]);
    let key = bench.open().unwrap().signing_key(SigningAlg::EdDsa).unwrap();
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

#[test]
fn a_swapped_mounted_secret_changes_the_fingerprint() {
    let bench = Bench::new(&[]);
    let directory = bench.directory();
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
    assert_eq!(bench.open().unwrap().keys().len(), 1);
    let before = fingerprint();
    symlink("..2", directory.join("..new")).unwrap();
    fs::rename(directory.join("..new"), directory.join("..data")).unwrap();
    assert_ne!(before, fingerprint());
}
