//! The configuration through its front door: what is accepted, and the exact words for what is not.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use logoutd::cli::check_config;
use logoutd::config::{ClientCertificate, Config, ConfigErrors, Loaded, LogFormat, Place, StoreUrl};
use logoutd::domain::algorithm::SigningAlg;
use logoutd::domain::client::{SubjectType, TokenOptions, TokenSubject, TokenTyp};
use logoutd::domain::initiator::{Initiator, Initiators};
use logoutd::domain::metadata::MetadataChoice;
use logoutd::domain::metadata::sensitive::SensitivePolicy;
use logoutd::domain::pairwise::PairwiseFormat;
use secrecy::ExposeSecret;

const MINIMAL: &str = "issuer.url = \"https://op.example.com\"\n";

fn load(text: &str, env: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
    let env = env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Config::parse(Path::new("config.toml"), text, env)
}

fn accepted(text: &str, env: &[(&str, &str)]) -> Config {
    load(text, env).unwrap_or_else(|errors| panic!("{errors}")).config
}

fn refused(text: &str, env: &[(&str, &str)]) -> String {
    load(text, env).expect_err("it should be refused").to_string()
}

fn in_repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every line of the sample that is a commented-out key or section, uncommented.
fn uncommented(sample: &str) -> String {
    let is_section = |line: &str| {
        let name = line.strip_prefix("# [").and_then(|rest| rest.strip_suffix(']'));
        name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || b"._".contains(&byte)))
    };
    let is_key = |line: &str| {
        line.strip_prefix("# ")
            .and_then(|rest| rest.split_once(" = "))
            .is_some_and(|(key, _)| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
    };
    let uncomment = |line| if is_key(line) || is_section(line) { &line[2..] } else { line };
    sample.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_shipped_sample_runs_the_quick_start() {
    let config =
        Config::load(&in_repository("config.toml"), []).unwrap_or_else(|errors| panic!("{errors}")).config;
    assert_eq!(config.issuer.url.as_str(), "http://localhost:8080");
    assert!(config.egress.allow_http);
    let [shop] = config.clients.as_slice() else { panic!("{:?}", config.clients) };
    let uri = shop.backchannel_logout_uri.as_ref().unwrap();
    assert_eq!(uri.as_str(), "http://127.0.0.1:9001/backchannel-logout");
    let address: std::net::IpAddr = uri.url().host_str().unwrap().parse().unwrap();
    assert!(config.egress.allow_networks.iter().any(|network| network.contains(&address)));
}

#[test]
fn the_defaults_the_sample_shows_are_the_defaults() {
    let sample = std::fs::read_to_string(in_repository("config.toml")).unwrap();
    let mut shown = accepted(&uncommented(&sample), &[]);
    assert!(shown.egress.ca_file.take().is_some(), "its example is uncommented, and it has no default");
    let connections = (shown.server.max_connections.take(), shown.management.max_connections.take());
    assert_eq!(
        connections,
        (Some(8192), Some(1024)),
        "the defaults may be lower, by the limit of open files"
    );
    let jwt = shown.access.jwt.take().expect("its example is uncommented, and it has no default");
    assert_eq!(
        (jwt.allow_http, jwt.scope_claims),
        (false, vec!["scope".to_owned(), "permissions".to_owned()])
    );
    for tls in [shown.server.tls.take(), shown.management.tls.take()] {
        let auth = tls.expect("its example is uncommented, and it has no default").client_auth.unwrap();
        assert_eq!(auth.certificate, ClientCertificate::default());
    }
    assert_eq!(shown, accepted(&sample, &[]));
    for key in ["retention", "publish_after", "max_concurrency_per_client", "schedule", "format", "token"] {
        assert!(uncommented(&sample).contains(&format!("\n{key} = ")), "{key} was not uncommented");
    }
}

#[test]
fn the_contracts_sample_is_accepted() {
    let config = Config::load(&in_repository("fixtures/config/contract.toml"), [])
        .unwrap_or_else(|errors| panic!("{errors}"))
        .config;
    let defaults = accepted(MINIMAL, &[]);
    assert_eq!(Config { clients: Vec::new(), ..config.clone() }, defaults);
    let [shop] = config.clients.as_slice() else { panic!("{:?}", config.clients) };
    assert_eq!(shop.client_id.as_str(), "shop");
    assert_eq!(shop.client_name.as_deref(), Some("Shop"));
    assert!(shop.backchannel_logout_session_required);
    assert_eq!(shop.initiators, Initiators::All);
    assert_eq!(shop.session_metadata, MetadataChoice::All);
    assert_eq!(shop.token, TokenOptions::default());
}

#[test]
fn the_defaults_are_the_contracts() {
    let config = accepted(&format!("{MINIMAL}[[clients]]\nclient_id = \"a\"\n"), &[]);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.management.listen.to_string(), "127.0.0.1:8081");
    assert_eq!(config.store.url, StoreUrl::Sqlite("logoutd.db".into()));
    assert_eq!(config.access.rate_limit, Some("500/s".parse().unwrap()));
    assert_eq!(config.access.failed_attempts, Some("100/m".parse().unwrap()));
    assert!(config.access.trusted_proxies.is_empty());
    assert_eq!((config.server.max_connections, config.management.max_connections), (None, None));
    assert_eq!(config.access.jwt, None);
    assert_eq!(config.store.retention, Duration::from_hours(30 * 24));
    assert_eq!(config.keys.directory, Path::new("keys"));
    assert_eq!(config.keys.algorithms, [SigningAlg::Rs256, SigningAlg::Es256]);
    assert_eq!(config.keys.rotate_every, Some(Duration::from_hours(90 * 24)));
    assert_eq!(config.keys.publish_before, Duration::from_hours(24));
    assert_eq!(config.keys.publish_after, Duration::from_hours(24));
    assert_eq!(config.delivery.timeout, Duration::from_secs(5));
    assert_eq!(config.delivery.max_concurrency, 512);
    assert_eq!(config.delivery.max_concurrency_per_client, 16);
    assert_eq!(config.delivery.max_age, Duration::from_hours(24));
    assert_eq!(config.delivery.schedule.len(), 9);
    assert_eq!(config.delivery.schedule[8], Duration::from_hours(4));
    assert!(!config.egress.allow_http);
    assert!(config.egress.allow_networks.is_empty());
    assert_eq!(config.egress.ca_file, None);
    assert_eq!(config.issuer.pairwise.format, PairwiseFormat::Hex);
    assert_eq!(config.metadata.sensitive, SensitivePolicy::Warn);
    assert!(!config.audit.subjects);
    assert_eq!((config.log.format, config.log.level.as_str()), (LogFormat::Auto, "info"));
    let client = &config.clients[0];
    assert!(client.client_name.is_none() && client.backchannel_logout_uri.is_none());
    assert!(!client.backchannel_logout_session_required);
    assert_eq!(client.id_token_signed_response_alg, SigningAlg::Rs256);
    assert_eq!(client.initiators, Initiators::default());
    assert_eq!(client.session_metadata, MetadataChoice::None);
    assert_eq!(client.token, TokenOptions::default());
    assert_eq!((client.subject_type, &client.sector_identifier_uri), (SubjectType::Public, &None));
}

#[test]
fn what_a_client_can_choose() {
    let config = accepted(
        "issuer.url = \"https://op.example.com\"
        [[clients]]
        client_id = \"a\"
        id_token_signed_response_alg = \"EdDSA\"
        initiators = [\"session-expired\"]
        session_metadata = [\"org_id\", \"device_name\"]
        [clients.token]
        ttl = \"90s\"
        typ = \"none\"
        subject = \"sub\"",
        &[],
    );
    let client = &config.clients[0];
    assert_eq!(client.id_token_signed_response_alg, SigningAlg::EdDsa);
    assert_eq!(client.initiators, Initiators::Selected([Initiator::SessionExpired].into()));
    assert_eq!(
        client.session_metadata,
        MetadataChoice::Keys(["device_name".to_owned(), "org_id".to_owned()].into())
    );
    let expected =
        TokenOptions { ttl: Duration::from_secs(90), typ: TokenTyp::None, subject: TokenSubject::Sub };
    assert_eq!(client.token, expected);
}

#[test]
fn access_tokens_are_taken_of_one_issuer() {
    let jwt =
        |text: &str, env: &[(&str, &str)]| accepted(&format!("{MINIMAL}{text}"), env).access.jwt.unwrap();
    let plain = jwt("[access.jwt]\nissuer = \"https://idp.example.com/\"\naudience = \"a\"", &[]);
    assert_eq!((plain.issuer.as_str(), plain.audience), ("https://idp.example.com/", vec!["a".to_owned()]));
    assert_eq!((plain.jwks_uri, plain.allow_http, plain.ca_file), (None, false, None));
    assert_eq!(plain.scope_claims, ["scope", "permissions"]);

    let inside = jwt(
        "[access]
        jwt.issuer = \"http://keycloak.internal/realms/ops\"
        jwt.allow_http = true
        jwt.audience = [\"a\", \"b\"]
        jwt.scope_claims = [\"scp\"]",
        &[("LOGOUTD_ACCESS__JWT__JWKS_URI", "http://keycloak.internal/certs")],
    );
    assert_eq!(inside.audience, ["a", "b"]);
    assert_eq!(inside.jwks_uri.unwrap().as_str(), "http://keycloak.internal/certs");
    let off = accepted(&format!("{MINIMAL}[access]\nrate_limit = \"off\"\n"), &[]).access;
    assert_eq!(off.rate_limit, None);
}

/// What is wrong with a file, below a first line with a good issuer, and the only line said about it.
const BAD: &[(&str, &str)] = &[
    // Keys and kinds.
    (
        "[delivry]",
        "config.toml:2:2: delivry: unknown key; the sections here are issuer, server, management, access, store, keys, sessions, delivery, egress, metadata, audit, log, clients",
    ),
    (
        "[server]\nlisten = \"127.0.0.1:1\"\nport = 1",
        "config.toml:4:1: server.port: unknown key; the keys here are listen, tls, max_connections",
    ),
    (
        "[[clients]]\nclient_id = \"a\"\ntoken = { tll = \"1m\" }",
        "config.toml:4:11: clients[0].token.tll: unknown key; the keys here are ttl, typ, subject",
    ),
    ("server = 1", "config.toml:2:10: server: must be a table, not a whole number"),
    (
        "[clients]\nclient_id = \"a\"",
        "config.toml:2:1: clients: must be a list of tables, each under [[clients]], not a table",
    ),
    ("clients = [1]", "config.toml:2:12: clients[0]: must be a table, not a whole number"),
    ("[server]\nlisten = 8080", "config.toml:3:10: server.listen: must be a string, not a whole number"),
    (
        "[server]\nlisten = \"localhost:8080\"",
        "config.toml:3:10: server.listen: must be an IP address and a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"",
    ),
    (
        "[egress]\nallow_http = \"yes\"",
        "config.toml:3:14: egress.allow_http: must be true or false, not a string",
    ),
    (
        "[keys]\nalgorithms = \"RS256\"",
        "config.toml:3:14: keys.algorithms: must be a list in square brackets, not a string",
    ),
    ("[keys]\ndirectory = \"\"", "config.toml:3:13: keys.directory: must be a path, and is empty"),
    // TLS.
    ("[server.tls]\nkey = \"a.key\"", "config.toml:2:1: server.tls.certificate: is required"),
    ("[management.tls]\ncertificate = \"a.pem\"", "config.toml:2:1: management.tls.key: is required"),
    (
        "[server.tls]\ncertificate = \"a.pem\"\nkey = \"a.key\"\nca = \"ca.pem\"",
        "config.toml:5:1: server.tls.ca: unknown key; the keys here are certificate, key, client_ca, client_certificate",
    ),
    (
        "[server.tls]\ncertificate = \"a.pem\"\nkey = \"a.key\"\nclient_ca = \"ca.pem\"\nclient_certificate = \"no\"",
        "config.toml:6:22: server.tls.client_certificate: must be \"required\" or \"optional\"",
    ),
    (
        "[server.tls]\ncertificate = \"a.pem\"\nkey = \"a.key\"\nclient_certificate = \"optional\"",
        "config.toml:5:22: server.tls.client_certificate: goes with client_ca, the authorities that sign such certificates; add that, or leave this out",
    ),
    ("[server]\ntls = true", "config.toml:3:7: server.tls: must be a table, not true or false"),
    // Limits.
    (
        "[management]\nlisten = \"127.0.0.1:8080\"",
        "config.toml:3:10: management.listen: needs an address of its own: 127.0.0.1:8080 is server.listen's",
    ),
    (
        "[server]\nlisten = \"127.0.0.1:8081\"",
        "config.toml: management.listen: needs an address of its own: 127.0.0.1:8081 is server.listen's",
    ),
    (
        "[access]\nrate_limit = \"100\"",
        "config.toml:3:14: access.rate_limit: must be a number from 1 to 1000000 for each second, minute or hour, such as \"50/s\" or \"10/m\"; or \"off\"",
    ),
    (
        "[access]\ntrusted_proxies = [\"10.0.0.1\"]",
        "config.toml:3:20: access.trusted_proxies[0]: must be a network in CIDR notation, such as \"10.0.0.0/8\" or \"fd00::/8\"",
    ),
    (
        "[access]\ntrusted_proxies = [\"0.0.0.0/0\"]",
        "config.toml:3:20: access.trusted_proxies[0]: must be the network of your proxies: with this one anybody could say where a request came from",
    ),
    (
        "[server]\nmax_connections = 7",
        "config.toml:3:19: server.max_connections: must be a whole number from 8 to 1000000",
    ),
    (
        "[management]\nmax_connections = \"many\"",
        "config.toml:3:19: management.max_connections: must be a whole number, not a string",
    ),
    (
        "[access.jwt]\nissuer = \"https://idp.example.com\"",
        "config.toml:2:1: access.jwt.audience: is required",
    ),
    (
        "[access.jwt]\nissuer = \"http://idp.example.com\"\naudience = \"a\"",
        "config.toml:3:10: access.jwt.issuer: must begin with https:// (http:// only on localhost and loopback addresses, or where access.jwt.allow_http is true)",
    ),
    (
        "[access.jwt]\nissuer = \"https://idp.example.com\"\naudience = []",
        "config.toml:4:12: access.jwt.audience: must have at least one entry",
    ),
    (
        "[access.jwt]\nissuer = \"https://idp.example.com\"\naudience = \"a\"\njwks_uri = \"https://u:p@idp.example.com/jwks\"",
        "config.toml:5:12: access.jwt.jwks_uri: must not contain a user name or password, nor an @ before the host",
    ),
    (
        "[access.jwt]\nissuer = \"https://idp.example.com\"\naudience = \"a\"\nscope_claims = []",
        "config.toml:5:16: access.jwt.scope_claims: must have at least one entry",
    ),
    (
        "[store]\nretention = 30",
        "config.toml:3:13: store.retention: durations are strings with a unit, such as \"5s\"",
    ),
    ("[store]\nretention = \"0s\"", "config.toml:3:13: store.retention: must be from 1s to 3650d, and is 0s"),
    (
        "[store]\nurl = \"postgres://localhost/logoutd\"",
        "config.toml:3:7: store.url: PostgreSQL is not supported by this build yet; use sqlite://, such as \"sqlite://logoutd.db\"",
    ),
    (
        "[keys]\nalgorithms = []",
        "config.toml:3:14: keys.algorithms: must name at least one signing algorithm, such as \"RS256\"",
    ),
    (
        "[keys]\nalgorithms = [\"RS256\",\n\"HS256\"]",
        "config.toml:4:1: keys.algorithms[1]: `HS256` is not a supported signing algorithm; use one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA",
    ),
    (
        "[keys]\nalgorithms = [\"RS256\", \"RS256\"]",
        "config.toml:3:24: keys.algorithms[1]: is the same as keys.algorithms[0]",
    ),
    (
        "[keys]\nrotate_every = \"12h\"",
        "config.toml:3:16: keys.rotate_every: must be longer than keys.publish_before (1d), and is 12h",
    ),
    (
        "[keys]\nrotate_every = 90",
        "config.toml:3:16: keys.rotate_every: durations are strings with a unit, such as \"5s\"",
    ),
    (
        "[delivery]\ntimeout = \"61s\"",
        "config.toml:3:11: delivery.timeout: must be from 100ms to 1m, and is 1m 1s",
    ),
    (
        "[delivery]\ntimeout = \"5\"",
        "config.toml:3:11: delivery.timeout: durations are strings with a unit, such as \"5s\"",
    ),
    (
        "[delivery]\nmax_concurrency = 0",
        "config.toml:3:19: delivery.max_concurrency: must be a whole number from 1 to 10000",
    ),
    (
        "[delivery]\nmax_concurrency = 1.5",
        "config.toml:3:19: delivery.max_concurrency: must be a whole number, not a decimal number",
    ),
    (
        "[delivery]\nmax_concurrency = 8\nmax_concurrency_per_client = 9",
        "config.toml:4:30: delivery.max_concurrency_per_client: must be a whole number from 1 to 8",
    ),
    (
        "[delivery]\nmax_age = \"31d\"",
        "config.toml:3:11: delivery.max_age: must be from 1s to 30d, and is 31d",
    ),
    (
        "[delivery]\nschedule = []",
        "config.toml:3:12: delivery.schedule: must have at least one wait, such as \"1s\"",
    ),
    (
        "[delivery]\nschedule = [\"1s\", \"2d\"]",
        "config.toml:3:19: delivery.schedule[1]: must be from 1ms to 1d, and is 2d",
    ),
    (
        "[egress]\nallow_networks = [\"10.0.0.1\"]",
        "config.toml:3:19: egress.allow_networks[0]: must be a network in CIDR notation, such as \"10.0.0.0/8\" or \"fd00::/8\"",
    ),
    ("[log]\nformat = \"text\"", "config.toml:3:10: log.format: must be \"auto\", \"json\" or \"human\""),
    ("[audit]\nsubjects = \"yes\"", "config.toml:3:12: audit.subjects: must be true or false, not a string"),
    (
        "[metadata]\nsensitive = \"block\"",
        "config.toml:3:13: metadata.sensitive: must be \"warn\", \"reject\" or \"off\"",
    ),
    // Pairwise subjects.
    (
        "issuer.pairwise.format = \"uuid\"",
        "config.toml:2:26: issuer.pairwise.format: must be \"hex\", \"base64url\", \"keycloak\", \"hydra\" or \"oidc-provider\"",
    ),
    ("issuer.pairwise = { salt = \"\" }", "config.toml:2:28: issuer.pairwise.salt: must not be empty"),
    (
        "issuer.pairwise = { salt = \"s3cr3t\", salt_file = \"salt\" }",
        "config.toml:2:28: issuer.pairwise.salt: is given twice, directly and as a file; leave one out",
    ),
    (
        "[[clients]]\nclient_id = \"a\"\nsubject_type = \"pairwise\"",
        "config.toml:4:16: clients[0].subject_type: \"pairwise\" needs the OP's salt: set issuer.pairwise.salt_file (or issuer.pairwise.salt)",
    ),
    // What is wrong with the salt is said, and not that there is none.
    (
        "issuer.pairwise.salt_file = \"/nonexistent/salt\"\n[[clients]]\nclient_id = \"a\"\nsubject_type = \"pairwise\"",
        "config.toml:2:29: issuer.pairwise.salt_file: cannot read /nonexistent/salt: No such file or directory (os error 2)",
    ),
    (
        "issuer.pairwise.salt = 5\n[[clients]]\nclient_id = \"a\"\nsubject_type = \"pairwise\"",
        "config.toml:2:24: issuer.pairwise.salt: must be a string, not a whole number",
    ),
    (
        "[[clients]]\nclient_id = \"a\"\nsubject_type = \"private\"",
        "config.toml:4:16: clients[0].subject_type: must be \"public\" or \"pairwise\"",
    ),
    (
        "[[clients]]\nclient_id = \"a\"\nsector_identifier_uri = \"https://a.example.com/\"",
        "config.toml:4:25: clients[0].sector_identifier_uri: is for clients with the subject_type \"pairwise\" only",
    ),
    (
        "issuer.pairwise.salt = \"s\"\n[[clients]]\nclient_id = \"a\"\nsubject_type = \"pairwise\"\nsector_identifier_uri = \"http://a.example.com/\"",
        "config.toml:6:25: clients[0].sector_identifier_uri: must be an https URI such as https://rp.example.com/sector.json",
    ),
    // Clients.
    ("[[clients]]\nclient_name = \"A\"", "config.toml:2:1: clients[0].client_id: is required"),
    ("[[clients]]\nclient_id = \"\"", "config.toml:3:13: clients[0].client_id: must not be empty"),
    (
        "[[clients]]\nclient_id = \"a\"\n[[clients]]\nclient_id = \"a\"",
        "config.toml:5:13: clients[1].client_id: `a` is already taken by clients[0].client_id at config.toml:3:13",
    ),
    (
        "[[clients]]\nclient_id = \"a\"\nbackchannel_logout_uri = \"/logout\"",
        "config.toml:4:26: clients[0].backchannel_logout_uri: must be an absolute URI such as https://rp.example.com/path",
    ),
    (
        "[[clients]]\nclient_id = \"a\"\nbackchannel_logout_uri = \"https://a.example.com/#b\"",
        "config.toml:4:26: clients[0].backchannel_logout_uri: must not have a fragment (Back-Channel Logout 1.0, section 2.2)",
    ),
    (
        "[[clients]]\nclient_id = \"a\"\nid_token_signed_response_alg = \"none\"",
        "config.toml:4:32: clients[0].id_token_signed_response_alg: `none` is not a supported signing algorithm; use one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA",
    ),
    (
        "[[clients]]\nclient_id = \"a\"\ninitiators = \"some\"",
        "config.toml:4:14: clients[0].initiators: must be \"all\" or a list such as [\"rp-logout\", \"idp-logout\"]",
    ),
    (
        "[[clients]]\nclient_id = \"a\"\ninitiators = true",
        "config.toml:4:14: clients[0].initiators: must be \"all\" or a list of initiators, not true or false",
    ),
    (
        "[[clients]]\nclient_id = \"a\"\ninitiators = []",
        "config.toml:4:14: clients[0].initiators: must name at least one initiator; to unsubscribe the client, leave out backchannel_logout_uri",
    ),
    (
        "[[clients]]\nclient_id = \"a\"\ninitiators = [\"rp-logout\", \"logout\"]",
        "config.toml:4:28: clients[0].initiators[1]: `logout` is not an initiator; use one of rp-logout, idp-logout, password-changed, session-expired, session-revoked, account-deleted, account-deactivated, email-identifier-changed, mfa-phone-unenrolled",
    ),
    (
        "[[clients]]\nclient_id = \"a\"\ninitiators = [7]",
        "config.toml:4:15: clients[0].initiators[0]: must be a string, not a whole number",
    ),
    (
        "[[clients]]\nclient_id = \"a\"\nsession_metadata = \"org_id\"",
        "config.toml:4:20: clients[0].session_metadata: must be true, false or a list of metadata keys, not a string",
    ),
    (
        "[[clients]]\nclient_id = \"a\"\nsession_metadata = [\"org id\"]",
        "config.toml:4:20: clients[0].session_metadata: Metadata keys may only include letters, numbers, underscores, or hyphens",
    ),
    (
        "[[clients]]\nclient_id = \"a\"\ntoken = { ttl = \"11m\" }",
        "config.toml:4:17: clients[0].token.ttl: must be from 1s to 10m, and is 11m",
    ),
    (
        "[[clients]]\nclient_id = \"a\"\ntoken = { ttl = \"1500ms\" }",
        "config.toml:4:17: clients[0].token.ttl: must be a whole number of seconds",
    ),
    (
        "[[clients]]\nclient_id = \"a\"\ntoken = { typ = \"jwt\" }",
        "config.toml:4:17: clients[0].token.typ: must be \"logout+jwt\", \"JWT\" or \"none\"",
    ),
    (
        "[[clients]]\nclient_id = \"a\"\ntoken = { subject = \"both\" }",
        "config.toml:4:21: clients[0].token.subject: must be \"sid+sub\", \"sid\" or \"sub\"",
    ),
    (
        "[[clients]]\nclient_id = \"a\"\nbackchannel_logout_session_required = true\ntoken.subject = \"sub\"",
        "config.toml:5:17: clients[0].token.subject: must be \"sid+sub\" or \"sid\": backchannel_logout_session_required asks for a sid",
    ),
];

#[test]
fn what_is_wrong_is_said_once_with_its_place() {
    for (text, expected) in BAD {
        assert_eq!(refused(&format!("{MINIMAL}{text}\n"), &[]), *expected, "{text}");
    }
}

#[test]
fn an_issuer_is_required() {
    assert_eq!(refused("", &[]), "config.toml: issuer.url: is required");
    assert_eq!(refused("\n[issuer]\n", &[]), "config.toml:2:1: issuer.url: is required");
    assert_eq!(
        refused("issuer.url = \"http://op.example.com\"", &[]),
        "config.toml:1:14: issuer.url: must begin with https:// (http:// only on localhost and loopback addresses)"
    );
    assert_eq!(refused("issuer = 1", &[]), "config.toml:1:10: issuer: must be a table, not a whole number");
}

#[test]
fn every_problem_is_reported_in_the_order_of_the_file() {
    let text =
        "[[clients]]\ninitiators = [\"x\", 1]\n[delivery]\ntimeout = 5\nretries = 3\n[log]\nformat = 1\n";
    let errors =
        load(text, &[("LOGOUTD_EGRESS__ALLOW_HTTP", "maybe"), ("LOGOUTD_NO__SUCH", "")]).unwrap_err();
    let keys: Vec<&str> = errors.problems().iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "issuer.url",
            "clients[0].client_id",
            "clients[0].initiators[0]",
            "clients[0].initiators[1]",
            "delivery.timeout",
            "delivery.retries",
            "log.format",
            "egress.allow_http",
            "no",
        ]
    );
    assert_eq!(errors.to_string().lines().count(), keys.len());
}

#[test]
fn a_syntax_error_has_its_place() {
    let error = refused("[server]\nlisten = 127.0.0.1:8080\n", &[]);
    assert!(error.starts_with("config.toml:2:"), "{error}");
    assert!(error.contains(": this is not TOML: "), "{error}");
    let twice = refused("[server]\nlisten = \"a\"\nlisten = \"b\"\n", &[]);
    assert!(twice.starts_with("config.toml:3:1: this is not TOML: duplicate key"), "{twice}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("missing.toml");
    assert_eq!(
        Config::load(&path, []).unwrap_err().to_string(),
        format!("{}: there is no such file; name the configuration with --config PATH", path.display())
    );
    std::fs::write(&path, [0xff]).unwrap();
    assert_eq!(
        Config::load(&path, []).unwrap_err().to_string(),
        format!("{}: must be UTF-8", path.display())
    );
}

#[test]
fn the_environment_overrides_a_key_of_any_kind() {
    let text = "[issuer]\nurl = \"https://op.example.com\"\n[[clients]]\nclient_id = \"a\"\n";
    let config = accepted(
        text,
        &[
            ("LOGOUTD_ISSUER__URL", "https://other.example.com/x"),
            ("LOGOUTD_SERVER__LISTEN", "127.0.0.1:9000"),
            ("LOGOUTD_SERVER__TLS__CERTIFICATE", "a.pem"),
            ("LOGOUTD_SERVER__TLS__KEY", "a.key"),
            ("LOGOUTD_KEYS__ALGORITHMS", "[\"EdDSA\"]"),
            ("LOGOUTD_KEYS__ROTATE_EVERY", "0"),
            ("LOGOUTD_DELIVERY__TIMEOUT", "\"7s\""),
            ("LOGOUTD_DELIVERY__MAX_CONCURRENCY", "8"),
            ("LOGOUTD_DELIVERY__SCHEDULE", "[\"1s\", '2s']"),
            ("LOGOUTD_EGRESS__ALLOW_HTTP", "true"),
            ("LOGOUTD_LOG__LEVEL", "warn"),
            ("LOGOUTD_CLIENTS__0__CLIENT_NAME", "12"),
            ("LOGOUTD_CLIENTS__0__INITIATORS", "all"),
            ("LOGOUTD_CLIENTS__0__TOKEN", "{ ttl = \"1m\", typ = \"JWT\" }"),
            ("LOGOUTD_CLIENTS__0__TOKEN__TYP", "none"),
            ("LOGOUTD_CLIENTS__1__SESSION_METADATA", "true"),
            ("LOGOUTD_CLIENTS__1__CLIENT_ID", "true"),
        ],
    );
    assert_eq!(config.issuer.url.as_str(), "https://other.example.com/x");
    assert_eq!(config.server.listen.port(), 9000);
    assert_eq!(config.server.tls.unwrap().certificate, Path::new("a.pem"));
    assert_eq!(config.management.tls, None);
    assert_eq!(config.keys.algorithms, [SigningAlg::EdDsa]);
    assert_eq!(config.keys.rotate_every, None);
    assert_eq!(config.delivery.timeout, Duration::from_secs(7));
    assert_eq!((config.delivery.max_concurrency, config.delivery.max_concurrency_per_client), (8, 8));
    assert_eq!(config.delivery.schedule, [Duration::from_secs(1), Duration::from_secs(2)]);
    assert!(config.egress.allow_http);
    assert_eq!(config.log.level, "warn");
    let [a, b] = config.clients.as_slice() else { panic!("{:?}", config.clients) };
    assert_eq!((a.client_id.as_str(), a.client_name.as_deref()), ("a", Some("12")));
    assert_eq!(a.initiators, Initiators::All);
    assert_eq!((a.token.ttl, a.token.typ), (Duration::from_mins(1), TokenTyp::None));
    assert_eq!((b.client_id.as_str(), &b.session_metadata), ("true", &MetadataChoice::All));
}

#[test]
fn a_problem_of_a_variable_names_it() {
    for (name, value, expected) in [
        (
            "LOGOUTD_DELIVERY__TIMEOUT",
            "5",
            "LOGOUTD_DELIVERY__TIMEOUT: delivery.timeout: durations are strings with a unit, such as \"5s\"",
        ),
        (
            "LOGOUTD_DELIVERY__MAX_CONCURRENCY",
            "many",
            "LOGOUTD_DELIVERY__MAX_CONCURRENCY: delivery.max_concurrency: must be a whole number, not a string",
        ),
        (
            "LOGOUTD_KEYS__ALGORITHMS",
            "RS256,ES256",
            "LOGOUTD_KEYS__ALGORITHMS: keys.algorithms: must be a list in square brackets, not a string",
        ),
        (
            "LOGOUTD_KEYS__ALGORITHMS",
            "[\"RS257\"]",
            "LOGOUTD_KEYS__ALGORITHMS: keys.algorithms[0]: `RS257` is not a supported signing algorithm; use one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA",
        ),
        (
            "LOGOUTD_SERVER__PORT",
            "1",
            "LOGOUTD_SERVER__PORT: server.port: unknown key; the keys here are listen, tls, max_connections",
        ),
        (
            "LOGOUTD_SERVER__LISTEN__PORT",
            "1",
            "LOGOUTD_SERVER__LISTEN__PORT: server.listen: must be a string, not a table",
        ),
        (
            "LOGOUTD_CONFIG__PATH",
            "x",
            "LOGOUTD_CONFIG__PATH: config: unknown key; the sections here are issuer, server, management, access, store, keys, sessions, delivery, egress, metadata, audit, log, clients",
        ),
        (
            "LOGOUTD_server__listen",
            "x",
            "LOGOUTD_server__listen: is written in upper case: LOGOUTD_SERVER__LISTEN",
        ),
        (
            "LOGOUTD_CLIENTS__1__CLIENT_ID",
            "x",
            "LOGOUTD_CLIENTS__1__CLIENT_ID: there is no entry 1: they are counted from 0, and the next one is 0",
        ),
        (
            "LOGOUTD_CLIENTS__0__CLIENT_NAME",
            "x",
            "LOGOUTD_CLIENTS__0__CLIENT_NAME: clients[0].client_id: is required",
        ),
        (
            "LOGOUTD_LOG",
            " ",
            "LOGOUTD_LOG: log.level: must be a level such as \"info\" or \"debug\", and is empty",
        ),
        ("LOGOUTD_BOOTSTRAP_TOKEN", "", "LOGOUTD_BOOTSTRAP_TOKEN: must not be empty"),
        (
            "LOGOUTD_BOOTSTRAP_TOKEN",
            "x",
            "LOGOUTD_BOOTSTRAP_TOKEN: must have at least 16 characters, so that it cannot be guessed; `openssl rand -hex 32` makes one",
        ),
        (
            "LOGOUTD_BOOTSTRAP_TOKEN_FILE",
            "/nonexistent/x",
            "LOGOUTD_BOOTSTRAP_TOKEN_FILE: cannot read /nonexistent/x: No such file or directory (os error 2)",
        ),
    ] {
        assert_eq!(refused(MINIMAL, &[(name, value)]), expected);
    }
}

#[test]
fn a_table_a_variable_goes_through_is_not_to_blame_for_what_is_missing() {
    assert_eq!(
        refused("", &[("LOGOUTD_ISSUER__NAME", "x")]),
        "config.toml: issuer.url: is required\n\
         LOGOUTD_ISSUER__NAME: issuer.name: unknown key; the keys here are url, jwks_uri, pairwise"
    );
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_unicode_is_refused() {
    use std::os::unix::ffi::OsStringExt as _;
    let garbage = OsString::from_vec(vec![0xff]);
    let env = [(garbage.clone(), garbage.clone()), (OsString::from("LOGOUTD_LOG__LEVEL"), garbage)];
    let errors = Config::parse(Path::new("config.toml"), MINIMAL, env).unwrap_err();
    assert_eq!(errors.to_string(), "LOGOUTD_LOG__LEVEL: its value must be UTF-8");
}

#[test]
fn a_problem_is_one_line_whatever_it_quotes() {
    let text = format!("{MINIMAL}\"a\\nb\" = 1\n[keys]\nalgorithms = [\"R\\u001b[31mS\\n\"]\n");
    let shown = refused(&text, &[]);
    assert_eq!(shown.lines().count(), 2, "{shown}");
    assert!(shown.contains("config.toml:2:1: a\\nb: unknown key"), "{shown}");
    assert!(shown.contains("`R\\u{1b}[31mS\\n` is not"), "{shown}");
}

#[test]
fn the_programs_own_variables_and_foreign_ones_are_no_overrides() {
    let config = accepted(
        MINIMAL,
        &[
            ("LOGOUTD_URL", "http://127.0.0.1:8081"),
            ("LOGOUTD_TOKEN", "x"),
            ("LOGOUTD_SERVICE_HOST", "10.0.0.1"),
            ("LOGOUTD_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("PATH", "/bin"),
            ("LOGOUTD", "x"),
        ],
    );
    assert_eq!(config, accepted(MINIMAL, &[]));
}

#[test]
fn the_log_variable_has_the_last_word() {
    let level = |env: &[(&str, &str)]| accepted(MINIMAL, env).log.level;
    assert_eq!(level(&[("LOGOUTD_LOG", "debug"), ("LOGOUTD_LOG__LEVEL", "warn")]), "debug");
    assert_eq!(level(&[("LOGOUTD_LOG__LEVEL", "warn"), ("LOGOUTD_LOG", "debug")]), "debug");
    assert_eq!(level(&[("LOGOUTD_LOG", "")]), "info");
}

#[test]
fn the_bootstrap_token_comes_directly_or_from_a_file_and_is_never_shown() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "from-the-file-0123\n").unwrap();
    let path = file.path().to_str().unwrap();
    let token = |loaded: &Loaded| loaded.bootstrap_token.as_ref().map(|it| it.expose_secret().to_owned());

    assert_eq!(token(&load(MINIMAL, &[]).unwrap()), None);
    let loaded = load(MINIMAL, &[("LOGOUTD_BOOTSTRAP_TOKEN", "hunter2-hunter2-hunter2")]).unwrap();
    assert_eq!(token(&loaded).as_deref(), Some("hunter2-hunter2-hunter2"));
    assert!(!format!("{loaded:?}").contains("hunter2"));
    let loaded = load(MINIMAL, &[("LOGOUTD_BOOTSTRAP_TOKEN_FILE", path)]).unwrap();
    assert_eq!(token(&loaded).as_deref(), Some("from-the-file-0123"));

    let both =
        [("LOGOUTD_BOOTSTRAP_TOKEN", "hunter2-hunter2-hunter2"), ("LOGOUTD_BOOTSTRAP_TOKEN_FILE", path)];
    assert_eq!(
        refused(MINIMAL, &both),
        "LOGOUTD_BOOTSTRAP_TOKEN: is given twice, directly and as a file; leave one out"
    );
    let error = refused(MINIMAL, &[("LOGOUTD_BOOTSTRAP_TOKEN", "hunter 2")]);
    assert_eq!(error, "LOGOUTD_BOOTSTRAP_TOKEN: must consist of visible ASCII characters, without spaces");
}

#[test]
fn the_salt_comes_directly_or_from_a_file_and_is_never_shown() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "from-the-file\n").unwrap();
    let client = "[[clients]]\nclient_id = \"a\"\nbackchannel_logout_uri = \"https://a.example.com/\"\n\
                  subject_type = \"pairwise\"\nsector_identifier_uri = \"https://b.example.com/\"\n";
    let salt = |loaded: &Loaded| loaded.pairwise_salt.as_ref().map(|it| it.expose_secret().to_owned());
    assert_eq!(salt(&load(MINIMAL, &[]).unwrap()), None);

    let text =
        format!("{MINIMAL}issuer.pairwise = {{ salt = \"hunter2\", format = \"keycloak\" }}\n{client}");
    let loaded = load(&text, &[]).unwrap();
    assert_eq!(salt(&loaded).as_deref(), Some("hunter2"));
    let config = &loaded.config;
    assert_eq!(config.issuer.pairwise.format, PairwiseFormat::Keycloak);
    assert_eq!(config.clients[0].subject_type, SubjectType::Pairwise);
    let sector = config.clients[0].sector_identifier_uri.as_ref().unwrap();
    assert_eq!(sector.as_str(), "https://b.example.com/");
    let shown = check_config::render(config);
    assert!(
        shown.starts_with("issuer      https://op.example.com, pairwise subjects: keycloak\n"),
        "{shown}"
    );
    assert!(shown.contains("no metadata, pairwise\n"), "{shown}");
    for shown in [shown, check_config::json(config).to_string(), format!("{loaded:?}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    let path = file.path().to_str().unwrap();
    let loaded =
        load(&format!("{MINIMAL}{client}"), &[("LOGOUTD_ISSUER__PAIRWISE__SALT_FILE", path)]).unwrap();
    assert_eq!(salt(&loaded).as_deref(), Some("from-the-file"));
}

#[test]
fn the_caller_can_place_problems_of_its_own() {
    let text = format!(
        "{MINIMAL}\n[[clients]]\nclient_id = \"a\"\nbackchannel_logout_uri = \"http://a.example.com\"\n"
    );
    let loaded = load(&text, &[("LOGOUTD_KEYS__DIRECTORY", "secret")]).unwrap();
    let problem = loaded.problem("clients[0].backchannel_logout_uri", "must be https");
    assert_eq!(problem.to_string(), "config.toml:5:26: clients[0].backchannel_logout_uri: must be https");
    let of_a_default = loaded.problem("clients[0].id_token_signed_response_alg", "has no key");
    assert_eq!(of_a_default.place, Place::At { line: 3, column: 1 });
    assert_eq!(loaded.problem("log.level", "is no filter").place, Place::File);
    let errors =
        ConfigErrors::check(vec![loaded.problem("keys.directory", "is missing"), problem]).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "config.toml:5:26: clients[0].backchannel_logout_uri: must be https\n\
         LOGOUTD_KEYS__DIRECTORY: keys.directory: is missing"
    );
    assert!(ConfigErrors::check(Vec::new()).is_ok());
}

#[test]
fn the_summary_says_what_the_configuration_comes_to() {
    let config = Config::load(&in_repository("fixtures/config/contract.toml"), []).unwrap().config;
    assert_eq!(
        check_config::render(&config),
        "\
issuer      https://op.example.com
server      127.0.0.1:8080
management  127.0.0.1:8081
access      API tokens; 500/s requests per caller, 100/m failed attempts per address
store       sqlite://logoutd.db, kept for 30d
keys        keys: RS256, ES256, rotated every 90d
delivery    512 at a time, 16 per client, 5s each; again after 1s, 5s, 30s, 2m, 10m, 30m, 1h, 2h, 4h; for 1d
egress      https only; public addresses only
metadata    sensitive values: warn
log         info, auto
clients     1
            shop: https://shop.example.com, RS256, all initiators, all metadata
"
    );
}

#[test]
fn the_summary_shows_a_listeners_tls() {
    let text =
        "[server.tls]\ncertificate = \"a.pem\"\nkey = \"a.key\"\n[management.tls]\ncertificate = \"b.pem\"
        key = \"b.key\"\nclient_ca = \"ca.pem\"\n";
    let summary = check_config::render(&accepted(&format!("{MINIMAL}{text}"), &[]));
    for line in [
        "server      127.0.0.1:8080, TLS with a.pem",
        "management  127.0.0.1:8081, TLS with b.pem, client certificates required (ca.pem)",
    ] {
        assert!(summary.lines().any(|it| it == line), "{summary}");
    }
}

#[test]
fn the_json_summary_is_the_configuration_again() {
    let sample = std::fs::read_to_string(in_repository("config.toml")).unwrap();
    for text in [sample.clone(), uncommented(&sample), format!("{MINIMAL}keys.rotate_every = 0\n")] {
        let config = accepted(&text, &[]);
        let mut json = check_config::json(&config);
        drop_nulls(&mut json);
        let again = toml::to_string(&json).unwrap();
        assert_eq!(accepted(&again, &[]), config, "{again}");
    }
}

fn drop_nulls(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[test]
fn problems_are_told_as_json_too() {
    let errors = load("[server]\nport = 1\n", &[("LOGOUTD_BOOTSTRAP_TOKEN", "")]).unwrap_err();
    assert_eq!(
        check_config::problems_json(&errors),
        serde_json::json!({ "problems": [
            { "file": "config.toml", "line": null, "column": null, "variable": null,
              "key": "issuer.url", "message": "is required" },
            { "file": "config.toml", "line": 2, "column": 1, "variable": null,
              "key": "server.port", "message": "unknown key; the keys here are listen, tls, max_connections" },
            { "file": null, "line": null, "column": null, "variable": "LOGOUTD_BOOTSTRAP_TOKEN",
              "key": null, "message": "must not be empty" },
        ] })
    );
}
