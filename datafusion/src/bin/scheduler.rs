//! Ballista's scheduler with vecodec's functions.

use std::net::AddrParseError;
use std::sync::Arc;

use ballista_core::error::{BallistaError, Result};
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::{Config, SchedulerConfig};
use ballista_scheduler::scheduler_process::start_server;
use clap::Parser;
use vecodec_datafusion::cluster::{self, Logs, ModelOptions, start_logs};

/// Plans the queries of a cluster and gives their tasks to executors.
#[derive(Parser)]
#[command(name = "vecodec-scheduler", version)]
struct Args {
    #[command(flatten)]
    models: ModelOptions,

    #[command(flatten)]
    ballista: Config,
}

/// Plans of many nested calls need more than the usual stack; so does Ballista's own program.
const STACK_BYTES: usize = 32 << 20;

fn main() -> Result<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().thread_stack_size(STACK_BYTES).build()?.block_on(run(Args::parse()))
}

async fn run(Args { models, ballista }: Args) -> Result<()> {
    start_logs(&Logs {
        folder: ballista.log_dir.as_deref(),
        prefix: format!(
            "scheduler_{}_{}_{}",
            ballista.namespace, ballista.external_host, ballista.bind_port
        ),
        rotation: ballista.log_rotation_policy,
        level: &ballista.log_level_setting,
        threads: ballista.print_thread_info,
    });
    let models = models.load()?;
    let address = format!("{}:{}", ballista.bind_host, ballista.bind_port);
    let address = address.parse().map_err(|error: AddrParseError| {
        BallistaError::Configuration(format!("--bind-host, --bind-port: {address:?}: {error}"))
    })?;
    let config = cluster::scheduler(SchedulerConfig::try_from(ballista)?, &models);
    let cluster = BallistaCluster::new_from_config(&config).await?;
    start_server(cluster, address, Arc::new(config)).await
}
