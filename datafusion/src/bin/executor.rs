//! Ballista's executor with vecodec's functions.

use std::net::AddrParseError;
use std::sync::Arc;

use ballista_core::error::{BallistaError, Result};
use ballista_executor::config::Config;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_executor::health::spawn_health_server;
use clap::Parser;
use tokio::sync::oneshot;
use vecodec_datafusion::cluster::{self, Logs, ModelOptions, start_logs};

/// Runs the tasks of a cluster's queries.
#[derive(Parser)]
#[command(name = "vecodec-executor", version)]
struct Args {
    #[command(flatten)]
    models: ModelOptions,

    #[command(flatten)]
    ballista: Config,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Args { models, ballista } = Args::parse();
    let health_address = format!("{}:{}", ballista.bind_host, ballista.bind_health_port);
    let health_address = health_address.parse().map_err(|error: AddrParseError| {
        BallistaError::Configuration(format!(
            "--bind-host, --bind-health-port: {health_address:?}: {error}"
        ))
    })?;
    let config = ExecutorProcessConfig::try_from(ballista)?;
    start_logs(&Logs {
        folder: config.log_dir.as_deref(),
        prefix: config.log_file_name_prefix(),
        rotation: config.log_rotation_policy,
        level: &config.special_mod_log_level,
        threads: config.print_thread_info,
    });
    let config = cluster::executor(config, &models.load()?)?;
    // The server of probes runs as long as the process, so that nothing stops it. It ends alone if it fails.
    let (_stop, stopped) = oneshot::channel();
    let mut health = spawn_health_server(health_address, config.health.clone(), stopped);
    tokio::select! {
        result = start_executor_process(Arc::new(config)) => result,
        result = &mut health => {
            result.map_err(|error| BallistaError::General(error.to_string())).flatten()
        }
    }
}
