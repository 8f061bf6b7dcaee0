//! Clusters: the same functions on [Ballista](https://datafusion.apache.org/ballista/).
//!
//! The programs `vecodec-scheduler` and `vecodec-executor` are Ballista's, with the functions and with `--models`. A
//! client [`connect`]s to the scheduler and writes the SQL that it would write alone.
//!
//! A call of a function travels with its model's fingerprint and with the location of the model's file, if it was
//! registered by one ([`Models::register_file`](crate::Models::register_file)). Each process reads the file once, when
//! it first needs the model. A model that has no file must be known to each process from its start: `--models`.

mod codecs;
mod logs;
mod messages;
mod options;

pub use logs::{Logs, start_logs};
pub use options::ModelOptions;

use std::sync::Arc;

use ballista::prelude::{SessionConfigExt, SessionContextExt};
use ballista_core::object_store::{runtime_env_with_s3_support, session_config_with_s3_support};
use ballista_core::registry::BallistaFunctionRegistry;
use ballista_executor::executor_process::ExecutorProcessConfig;
use ballista_scheduler::config::SchedulerConfig;
use datafusion::common::Result;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::models::Models;
use crate::with_vecodec;
use codecs::{LogicalCodec, PhysicalCodec};

/// The configuration of a session: Ballista's, with access to S3.
#[must_use]
pub fn session_config(models: &Models) -> SessionConfig {
    session_config_with_s3_support()
        .with_ballista_logical_extension_codec(Arc::new(LogicalCodec::new(models)))
        .with_ballista_physical_extension_codec(Arc::new(PhysicalCodec::new(models)))
}

/// A session whose queries run on the cluster of a scheduler, at a URL such as `df://127.0.0.1:50050`. `config` comes
/// from [`session_config`].
///
/// # Errors
/// The URL is none, or no session can be made.
pub async fn connect(url: &str, config: SessionConfig, models: &Models) -> Result<SessionContext> {
    let ctx = SessionContext::remote_with_state(url, state(config, models)?).await?;
    Ok(with_functions(ctx, models))
}

/// A session with a scheduler and an executor of its own, in this process. `config` comes from [`session_config`].
///
/// # Errors
/// The scheduler or the executor cannot be started.
pub async fn standalone(config: SessionConfig, models: &Models) -> Result<SessionContext> {
    let ctx = SessionContext::standalone_with_state(state(config, models)?).await?;
    Ok(with_functions(ctx, models))
}

/// A scheduler's configuration with the functions.
#[must_use]
pub fn scheduler(mut config: SchedulerConfig, models: &Models) -> SchedulerConfig {
    config.override_logical_codec = Some(Arc::new(LogicalCodec::new(models)));
    config.override_physical_codec = Some(Arc::new(PhysicalCodec::new(models)));
    config.override_config_producer = Some(Arc::new(session_config_with_s3_support));
    let models = models.clone();
    config.override_session_builder = Some(Arc::new(move |config| state(config, &models)));
    config
}

/// An executor's configuration with the functions.
///
/// # Errors
/// No session can be made.
pub fn executor(
    mut config: ExecutorProcessConfig,
    models: &Models,
) -> Result<ExecutorProcessConfig> {
    config.override_logical_codec = Some(Arc::new(LogicalCodec::new(models)));
    config.override_physical_codec = Some(Arc::new(PhysicalCodec::new(models)));
    config.override_config_producer = Some(Arc::new(session_config_with_s3_support));
    config.override_runtime_producer = Some(Arc::new(runtime_env_with_s3_support));
    // All functions of a session: a registry of ours alone would be without DataFusion's.
    let functions = BallistaFunctionRegistry::from(&state(session_config(models), models)?);
    config.override_function_registry = Some(Arc::new(functions));
    Ok(config)
}

/// The session of each process: DataFusion's functions and ours.
fn state(config: SessionConfig, models: &Models) -> Result<SessionState> {
    let runtime = runtime_env_with_s3_support(&config)?;
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features();
    Ok(with_vecodec(state, models).build())
}

/// Ballista's sessions have DataFusion's functions alone.
fn with_functions(ctx: SessionContext, models: &Models) -> SessionContext {
    for function in crate::functions(models) {
        ctx.register_udf(Arc::unwrap_or_clone(function));
    }
    ctx
}
