//! The scalar quantiser: each latent goes to the nearest level of its table.

use super::plan::BitPlan;

/// Quantises rows of latents. Levels ascend; a tie goes to the lower one.
pub(super) fn encode(plan: &BitPlan, latents: &[f32], packed_rows: &mut [u8]) {
    // Thresholds half way between levels, in units of the latent.
    let thresholds: Vec<Vec<f32>> = plan
        .bits_per_latent
        .iter()
        .zip(&plan.steps)
        .map(|(&width, step)| {
            plan.table(width).windows(2).map(|pair| 0.5 * (pair[0] + pair[1]) * step).collect()
        })
        .collect();
    let rows = latents.chunks_exact(plan.latents());
    for (row, packed) in rows.zip(packed_rows.chunks_exact_mut(plan.code_bytes())) {
        let code = |(z, thresholds): (&f32, &Vec<f32>)| {
            thresholds.iter().fold(0u16, |above, t| above + u16::from(z > t))
        };
        plan.pack(row.iter().zip(&thresholds).map(code), packed);
    }
}
