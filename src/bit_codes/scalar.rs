//! Symbols outside a trellis: each latent goes to the nearest level of its table.

use super::plan::{Plan, Symbol, set_bits};

/// Writes the bits of the symbols outside the trellis into rows of zeros. Levels ascend; a tie goes to the
/// lower one.
pub(super) fn encode(plan: &Plan, latents: &[f32], packed_rows: &mut [u8]) {
    let quantizer = |symbol: &Symbol| {
        if plan.window().is_trellis(symbol.rate) {
            return None;
        }
        // Thresholds half way between levels, in units of the latent.
        let step = plan.steps()[symbol.latent];
        let table = plan.tables().latent_table(symbol.rate, 0);
        let thresholds = table.windows(2).map(|pair| 0.5 * (pair[0] + pair[1]) * step);
        let start = symbol.end - symbol.rate.bits();
        Some((start, symbol.latent, thresholds.collect::<Vec<f32>>()))
    };
    let quantizers: Vec<_> = plan.symbols().iter().filter_map(quantizer).collect();
    if quantizers.is_empty() {
        return;
    }
    let rows = latents.chunks_exact(plan.latents());
    for (row, packed) in rows.zip(packed_rows.chunks_exact_mut(plan.code_bytes())) {
        for (start, latent, thresholds) in &quantizers {
            let code = thresholds.partition_point(|t| row[*latent] > *t);
            set_bits(packed, *start, code as u32);
        }
    }
}
