//! `--server`, `LOGOUTD_URL`: the URL of the service.

use std::fmt;

use url::Url;

use super::WrongUsage;

/// The URL of the service, without a trailing slash. It contains nothing secret, so messages can show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerUrl(String);

impl ServerUrl {
    /// Parses the URL. Errors do not contain it, because it can contain a password.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let wrong = |problem: &str| WrongUsage::error(format!("--server (LOGOUTD_URL) {problem}"));
        let url = match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => url,
            Ok(_) | Err(_) => return Err(wrong("must be a URL such as http://127.0.0.1:8081")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("must not contain a user name or password; use --token (LOGOUTD_TOKEN)"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("must have neither a query nor a fragment"));
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_taken_with_a_path_before_the_api_s_own() {
        for (text, expected) in [
            ("http://127.0.0.1:8081", "http://127.0.0.1:8081"),
            ("https://logoutd.internal:8081/", "https://logoutd.internal:8081"),
            ("https://gateway/logoutd//", "https://gateway/logoutd"),
        ] {
            assert_eq!(ServerUrl::parse(text).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn what_is_wrong_is_said_and_not_repeated() {
        for (text, expected) in [
            ("http://user:hunter2@host", "must not contain a user name or password"),
            ("http:user:hunter2@host", "must not contain a user name or password"),
            ("http://:hunter2@host", "must not contain a user name or password"),
            ("user:hunter2@host", "must be a URL such as"),
            ("//user:hunter2@host", "must be a URL such as"),
            ("ftp://user:hunter2@host", "must be a URL such as"),
            ("http://host?token=hunter2", "neither a query nor a fragment"),
            ("", "must be a URL such as"),
        ] {
            let said = ServerUrl::parse(text).unwrap_err().to_string();
            assert!(said.contains(expected) && !said.contains("hunter2"), "{text}: {said}");
        }
    }
}
