//! The log: one line for each thing that happened, to standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::{Log, LogFormat};

/// The log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// `log.level` is no filter.
    #[error(
        "log.level: use a level such as \"info\", or directives such as \"info,logoutd::delivery=debug\""
    )]
    Level(#[from] ParseError),
    /// There is a log already.
    #[error("the log was already set up")]
    Twice,
}

/// Sets up the log of this process.
pub fn init(config: &Log) -> Result<(), LoggingError> {
    let filter = EnvFilter::builder().parse(&config.level)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE);
    let terminal = std::io::stderr().is_terminal();
    let json = match config.format {
        LogFormat::Auto => !terminal,
        LogFormat::Json => true,
        LogFormat::Human => false,
    };
    let set = if json {
        builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    } else {
        builder.with_ansi(terminal).try_init()
    };
    set.map_err(|_| LoggingError::Twice)
}
