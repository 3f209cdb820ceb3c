//! Secrets come directly or from a file, and are never shown.

use logoutd::cli::check_config;
use logoutd::config::Loaded;
use logoutd::domain::client::SubjectType;
use logoutd::domain::pairwise::PairwiseFormat;
use secrecy::ExposeSecret;

use super::{MINIMAL, load, refused};

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
