//! Weights as the kernels read them.

use half::f16;

use super::tiling::{GemmTiling, SIDE, rhs_blocks};
use crate::plan::padded;

/// A layer's weights in the layout of its tiling.
pub(crate) struct PackedWeights {
    pub(crate) bytes: Vec<u8>,
    /// Undoes the power of two that the weights were multiplied by.
    pub(crate) descale: f32,
}

/// Packs weights `[regions, outputs, inputs]` for a tiling, one region after the other.
pub(crate) fn pack(weights: &[f32], shape: [usize; 2], tiling: GemmTiling) -> PackedWeights {
    let (scale, descale) = match tiling {
        GemmTiling::RegisterBlocked { f16_weights: false }
        | GemmTiling::Tiled { f16_weights: false, .. } => (1.0, 1.0),
        _ => scales(weights),
    };
    let pack_region = |weights: &[f32]| match tiling {
        GemmTiling::RegisterBlocked { f16_weights } | GemmTiling::Tiled { f16_weights, .. } => {
            let values = by_input(weights, shape, scale);
            if f16_weights { to_f16(&values) } else { bytemuck::cast_slice(&values).to_vec() }
        }
        GemmTiling::Coop { side, split } => in_blocks(weights, shape, scale, side, split),
        GemmTiling::ExactLhs => in_blocks(weights, shape, scale, SIDE, true),
        GemmTiling::WeightStationary { split } => in_blocks(weights, shape, scale, SIDE, split),
    };
    let bytes = weights.chunks_exact(shape[0] * shape[1]).flat_map(pack_region).collect();
    PackedWeights { bytes, descale }
}

/// A bias of `outputs` values, or zeros, padded to four values.
pub(crate) fn bias(bias: Option<&[f32]>, outputs: usize) -> Vec<u8> {
    let mut values = bias.map_or(vec![0.0; outputs], <[f32]>::to_vec);
    values.resize(padded(outputs), 0.0);
    bytemuck::cast_slice(&values).to_vec()
}

/// Scaled, and transposed to `[inputs, outputs]`, both padded to four with zeros.
fn by_input(weights: &[f32], [inputs, outputs]: [usize; 2], scale: f32) -> Vec<f32> {
    let mut values = vec![0.0; padded(inputs) * padded(outputs)];
    for (output, row) in weights.chunks_exact(inputs).enumerate() {
        for (input, value) in row.iter().enumerate() {
            values[input * padded(outputs) + output] = value * scale;
        }
    }
    values
}

/// Scaled, and matrix by matrix `[output blocks, input blocks, side, side]` as f16, padded with zeros. With
/// `split` each matrix is followed by the matrix of what rounding it to f16 lost.
fn in_blocks(weights: &[f32], shape: [usize; 2], scale: f32, side: u32, split: bool) -> Vec<u8> {
    let [blocks_n, blocks_k] = rhs_blocks(side, shape);
    let (side, matrices_per_block) = (side as usize, if split { 2 } else { 1 });
    let mut values = vec![0.0; blocks_n * blocks_k * matrices_per_block * side * side];
    for (output, row) in weights.chunks_exact(shape[0]).enumerate() {
        for (input, value) in row.iter().enumerate() {
            let matrix = (output / side * blocks_k + input / side) * matrices_per_block;
            let at = matrix * side * side + output % side * side + input % side;
            let scaled = value * scale;
            values[at] = scaled;
            if split {
                values[at + side * side] = scaled - f16::from_f32(scaled).to_f32();
            }
        }
    }
    to_f16(&values)
}

fn to_f16(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect()
}

/// The power of two that makes the largest weight nearly 2^14, and its reciprocal. Scaled so, small
/// weights stay above the smallest f16.
fn scales(values: &[f32]) -> (f32, f32) {
    let largest = values.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
    let exponent = if largest > 0.0 { 13 - largest.log2().floor() as i32 } else { 0 };
    // The reciprocal must be a normal number, too.
    let exponent = exponent.clamp(-120, 120);
    (2f32.powi(exponent), 2f32.powi(-exponent))
}

#[cfg(test)]
mod tests {
    use super::super::tiling::Tile;
    use super::*;

    /// Weights `[outputs, inputs]`, no two alike.
    fn weights([inputs, outputs]: [usize; 2]) -> Vec<f32> {
        (0..inputs * outputs)
            .map(|i| (i as f32 + 1.0) * if i % 3 == 0 { -0.01 } else { 0.01 })
            .collect()
    }

    fn f16_values(bytes: &[u8]) -> Vec<f32> {
        bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect()
    }

    #[test]
    fn f32_weights_are_transposed_and_padded() {
        for shape @ [inputs, outputs] in [[1, 1], [3, 2], [4, 4], [5, 9]] {
            let weights = weights(shape);
            let tiling = GemmTiling::Tiled { tile: Tile::new(outputs), f16_weights: false };
            let packed = pack(&weights, shape, tiling);
            let values: Vec<f32> = bytemuck::pod_collect_to_vec(&packed.bytes);
            assert_eq!((values.len(), packed.descale), (padded(inputs) * padded(outputs), 1.0));
            for (at, value) in values.iter().enumerate() {
                let (input, output) = (at / padded(outputs), at % padded(outputs));
                let inside = input < inputs && output < outputs;
                let expected = if inside { weights[output * inputs + input] } else { 0.0 };
                assert_eq!(*value, expected, "{shape:?}: input {input}, output {output}");
            }
        }
    }

    #[test]
    fn f16_weights_come_back_within_their_digits() {
        let shape = [7, 5];
        let weights = weights(shape);
        let packed = pack(&weights, shape, GemmTiling::RegisterBlocked { f16_weights: true });
        let values = f16_values(&packed.bytes);
        assert!(values.iter().fold(0.0, |m: f32, v| m.max(v.abs())) >= 8192.0);
        for (output, row) in weights.chunks(7).enumerate() {
            for (input, weight) in row.iter().enumerate() {
                let found = values[input * 8 + output] * packed.descale;
                assert!((found - weight).abs() <= weight.abs() / 2048.0, "{found} for {weight}");
            }
        }
    }

    #[test]
    fn blocks_hold_every_weight_once_and_their_low_parts_behind_them() {
        for (side, shape @ [inputs, outputs], split) in
            [(16, [33, 17], true), (16, [130, 16], false), (8, [9, 24], false), (16, [1, 1], true)]
        {
            let weights = weights(shape);
            let packed = pack(&weights, shape, GemmTiling::Coop { side, split });
            let (values, side) = (f16_values(&packed.bytes), side as usize);
            let matrices_per_block = if split { 2 } else { 1 };
            let [blocks_n, blocks_k] = rhs_blocks(side as u32, shape);
            assert!(blocks_n * side >= outputs && blocks_k * side >= inputs, "{shape:?}");
            assert_eq!(
                values.len(),
                blocks_n * blocks_k * matrices_per_block * side * side,
                "{shape:?}"
            );
            let mut seen = 0;
            for (block, matrix) in values.chunks(matrices_per_block * side * side).enumerate() {
                for at in 0..side * side {
                    let output = block / blocks_k * side + at / side;
                    let input = block % blocks_k * side + at % side;
                    let low = if split { matrix[side * side + at] } else { 0.0 };
                    let found = (matrix[at] + low) * packed.descale;
                    if output >= outputs || input >= inputs {
                        assert_eq!((matrix[at], low), (0.0, 0.0), "{shape:?}: padding");
                        continue;
                    }
                    seen += 1;
                    let weight = weights[output * inputs + input];
                    let digits = if split { 4e-7 } else { 5e-4 };
                    assert!((found - weight).abs() <= digits * weight.abs(), "{found}, {weight}");
                }
            }
            assert_eq!(seen, inputs * outputs);
        }
    }

    #[test]
    fn weights_of_any_magnitude_are_scaled_by_powers_of_two() {
        for magnitude in [0.0, 1e-38, 1e-10, 1.0, 3e9, 1e38] {
            let (scale, descale) = scales(&[magnitude, -magnitude / 3.0]);
            assert_eq!(scale * descale, 1.0);
            assert!(descale.is_normal() && scale.is_normal());
            let largest = magnitude * scale;
            let expected = magnitude == 0.0 || magnitude < 1e-30 || largest >= 8192.0;
            assert!(expected && largest <= 16384.0, "{magnitude:e} becomes {largest:e}");
        }
    }

    #[test]
    fn biases_are_padded() {
        assert_eq!(bias(Some(&[1.0, 2.0, 3.0]), 3).len(), 16);
        assert_eq!(bias(None, 5), vec![0; 32]);
    }
}
