//! What is wrong is said with its place and the fix.

use logoutd::config::{Config, ConfigErrors, Place};

use super::{MINIMAL, load, refused};

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
fn a_problem_is_one_line_whatever_it_quotes() {
    let text = format!("{MINIMAL}\"a\\nb\" = 1\n[keys]\nalgorithms = [\"R\\u001b[31mS\\n\"]\n");
    let shown = refused(&text, &[]);
    assert_eq!(shown.lines().count(), 2, "{shown}");
    assert!(shown.contains("config.toml:2:1: a\\nb: unknown key"), "{shown}");
    assert!(shown.contains("`R\\u{1b}[31mS\\n` is not"), "{shown}");
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
