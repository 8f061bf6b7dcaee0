//! Symbols outside a trellis: each latent goes to the nearest level of its table.

use super::plan::{BitPlan, Symbol};

/// Writes the windows `[rows, symbols]` of the symbols outside the trellis. Levels ascend; a tie goes
/// to the lower one.
pub(super) fn quantize(plan: &BitPlan, latents: &[f32], windows: &mut [u16]) {
    let quantizer = |(number, symbol): (usize, &Symbol)| {
        if plan.window().is_trellis(symbol.rate) {
            return None;
        }
        // Thresholds half way between levels, in units of the latent.
        let step = plan.steps()[symbol.latent];
        let table = plan.tables().latent_table(symbol.rate, 0);
        let thresholds = table.windows(2).map(|pair| 0.5 * (pair[0] + pair[1]) * step);
        Some((number, symbol.latent, thresholds.collect::<Vec<f32>>()))
    };
    let quantizers: Vec<_> = plan.symbols().iter().enumerate().filter_map(quantizer).collect();
    let rows = latents.chunks_exact(plan.latents());
    for (row, windows) in rows.zip(windows.chunks_exact_mut(plan.symbols().len())) {
        for (number, latent, thresholds) in &quantizers {
            windows[*number] = thresholds.partition_point(|t| row[*latent] > *t) as u16;
        }
    }
}
