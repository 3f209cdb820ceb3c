//! The log: a line for each event, on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use super::writer::SafeStderr;
use crate::config::{ConfigErrors, Loaded, LogFormat};

/// Checks that `log.level` can be parsed.
pub fn check(loaded: &Loaded) -> Result<(), ConfigErrors> {
    filter(loaded).map(drop)
}

/// Sets up the log of this process, unless one was set up before.
pub fn init(loaded: &Loaded) -> Result<(), ConfigErrors> {
    let terminal = std::io::stderr().is_terminal();
    let json = match loaded.config.log.format {
        LogFormat::Auto => !terminal,
        LogFormat::Json => true,
        LogFormat::Human => false,
    };
    // A line that cannot be written is lost. Reporting that on standard error, as tracing-subscriber would, panics where
    // standard error is closed or its disk is full.
    let builder = tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_env_filter(filter(loaded)?)
        .with_writer(SafeStderr { json });
    let _ = if json {
        builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    } else {
        builder.with_ansi(terminal).try_init()
    };
    Ok(())
}

fn filter(loaded: &Loaded) -> Result<EnvFilter, ConfigErrors> {
    EnvFilter::builder().parse(&loaded.config.log.level).map_err(|_| {
        let fix = "must be a level such as \"info\", or directives such as \"info,logoutd::delivery=debug\"";
        loaded.problem("log.level", fix).into()
    })
}
