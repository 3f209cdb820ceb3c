//! The listeners' TLS, from their configuration sections.

use crate::ambient::Ambient;
use crate::config::{self, ConfigErrors, Loaded, Problem};
use crate::listen::{self, Tls, TlsError};

/// The TLS of each listener; none for one that speaks plain HTTP.
pub(super) struct ListenersTls {
    pub(super) server: Option<Tls>,
    pub(super) management: Option<Tls>,
}

impl ListenersTls {
    /// Loads the files.
    pub(super) fn open(loaded: &Loaded, ambient: &Ambient) -> Result<Self, ConfigErrors> {
        let open = |(listener, tls): Section<'_>| {
            let Some(tls) = tls else { return Ok(None) };
            let opened = Tls::open(listener, tls.clone(), ambient.clone());
            opened.map(Some).map_err(|error| problem(loaded, listener, &error))
        };
        let [server, management] = sections(loaded);
        Ok(Self { server: open(server)?, management: open(management)? })
    }

    /// The TLS of the listeners that have it.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Tls> {
        [&self.server, &self.management].into_iter().flatten()
    }
}

/// Problems of the files. Nothing of them stays loaded.
pub(super) fn problems(loaded: &Loaded) -> Vec<Problem> {
    let check = |(listener, tls): Section<'_>| {
        let error = listen::check(tls?).err()?;
        Some(problem(loaded, listener, &error))
    };
    sections(loaded).into_iter().filter_map(check).collect()
}

/// A listener's name in the configuration, the log and the metrics, and its TLS section.
type Section<'l> = (&'static str, Option<&'l config::Tls>);

fn sections(loaded: &Loaded) -> [Section<'_>; 2] {
    let config = &loaded.config;
    [("server", config.server.tls.as_ref()), ("management", config.management.tls.as_ref())]
}

fn problem(loaded: &Loaded, listener: &str, error: &TlsError) -> Problem {
    loaded.problem(&format!("{listener}.tls.{}", error.file.key()), error.to_string())
}
