//! The stages of a fit, as they are timed and reported.

use std::time::Instant;

use super::options::{CancelToken, FitOptions, FitStage};
use crate::error::Result;

/// The stages so far.
pub(super) struct Stages<'a> {
    stages: Vec<FitStage>,
    options: FitOptions<'a>,
    start: Instant,
}

impl<'a> Stages<'a> {
    pub(super) fn new(options: FitOptions<'a>) -> Self {
        Self { stages: Vec::new(), options, start: Instant::now() }
    }

    pub(super) fn into_stages(self) -> Vec<FitStage> {
        self.stages
    }

    /// Reports a stage, whose listener may cancel the fit.
    pub(super) fn end(&mut self, name: &str, relative_mse: f64) -> Result<()> {
        let seconds = self.start.elapsed().as_secs_f64();
        self.start = Instant::now();
        let stage = FitStage { name: name.to_owned(), relative_mse, seconds };
        self.options.report(&stage);
        self.stages.push(stage);
        self.options.cancel().check()
    }

    pub(super) fn queries(&self) -> Option<&'a [f32]> {
        self.options.queries()
    }

    pub(super) fn seed(&self) -> u64 {
        self.options.seed()
    }

    pub(super) fn cancel(&self) -> CancelToken {
        self.options.cancel().clone()
    }
}
