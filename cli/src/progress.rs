//! A progress bar on a terminal, and nothing elsewhere.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{
    BinaryBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};

use crate::output;

/// A bar or a spinner on stderr. Dropping it erases it, so that no error is printed into it.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar that counts rows and the bytes that they take in a file, with the time that is left.
    pub fn rows(what: &'static str, rows: usize, row_bytes: usize) -> Self {
        let bytes = move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let bytes = |rows: u64| BinaryBytes(rows.saturating_mul(row_bytes as u64));
            let all = state.len().unwrap_or(state.pos());
            let _ = write!(out, "{} of {}", bytes(state.pos()), bytes(all));
        };
        let left = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = match state.pos() {
                // There is nothing to estimate from.
                0 => Ok(()),
                _ => write!(out, "{:#} left", HumanDuration(state.eta())),
            };
        };
        // The bar takes what a terminal of 80 columns leaves, so that the line is not broken.
        let template = "{msg:9} [{wide_bar}] {human_pos}/{human_len} rows, {size}  {left:9}";
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .with_key("size", bytes)
            .with_key("left", left)
            .progress_chars("=> ");
        Self::start(ProgressBar::with_draw_target(Some(rows as u64), target()), style, what)
    }

    /// A bar that counts sizes.
    pub fn sizes(what: &'static str, sizes: usize) -> Self {
        let style = ProgressStyle::with_template("{msg:9} [{bar:32}] {pos}/{len} sizes  {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        Self::start(ProgressBar::with_draw_target(Some(sizes as u64), target()), style, what)
    }

    /// A spinner, for work that reports no progress.
    pub fn spinner(what: &'static str) -> Self {
        let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        Self::start(ProgressBar::with_draw_target(None, target()), style, what)
    }

    fn start(bar: ProgressBar, style: ProgressStyle, what: &'static str) -> Self {
        let bar = bar.with_style(style).with_message(what);
        // A hidden bar needs no thread that draws.
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self(bar)
    }

    /// Counts what is done.
    pub fn add(&self, count: usize) {
        self.0.inc(count as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn target() -> ProgressDrawTarget {
    if io::stderr().is_terminal() && !output::is_quiet() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    }
}
