//! Logs of the programs, as Ballista's own programs write them.

use ballista_core::config::LogRotationPolicy;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;

/// Where logs go.
#[derive(Debug)]
pub struct Logs<'a> {
    /// A folder; standard output, if none.
    pub folder: Option<&'a str>,
    /// What the names of the files begin with.
    pub prefix: String,
    /// When a new file is begun.
    pub rotation: LogRotationPolicy,
    /// What is logged, where `RUST_LOG` does not say it.
    pub level: &'a str,
    /// Whether lines name their thread.
    pub threads: bool,
}

/// Starts the logs of this process.
pub fn start_logs(logs: &Logs<'_>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(logs.level));
    let lines = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_thread_names(logs.threads)
        .with_thread_ids(logs.threads)
        .with_env_filter(filter);
    match logs.folder {
        None => lines.init(),
        Some(folder) => {
            let rotation = match logs.rotation {
                LogRotationPolicy::Minutely => Rotation::MINUTELY,
                LogRotationPolicy::Hourly => Rotation::HOURLY,
                LogRotationPolicy::Daily => Rotation::DAILY,
                LogRotationPolicy::Never => Rotation::NEVER,
            };
            lines.with_writer(RollingFileAppender::new(rotation, folder, &logs.prefix)).init();
        }
    }
}
