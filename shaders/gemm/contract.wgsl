// Matrix multiplication. The left operand, the tiling and the epilogue are files of their own:
//     out[r, o] = finish(DESCALE * sum_i lhs[r, i] weights[i, o], row_scale(r), bias[o])
// bias [regions, 4 * OUTPUTS4] is padded with zeros, as the weights are. A model with one region has
// one of each.
//
// The left operand gives `load_lhs(region, row, i4)`, four values as they are stored in memory;
// `lhs_values(raw)`, the same four values as f32; `LHS_IS_F16`, whether f16 holds them exactly;
// `row_scale(row)`; and `finish`. A load is separate from its conversion so that the wait for memory
// comes as late as possible.
// needs: row_scale, finish
// gives: INPUTS4, OUTPUTS4, DESCALE, bias_of, Tile, finished

override INPUTS4: u32;
override OUTPUTS4: u32;
// Undoes the power of two that the weights were multiplied by.
override DESCALE: f32;

@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;

// Outputs beyond the last repeat it, and are not stored.
fn bias_of(region: u32, o4: u32) -> vec4<f32> {
    return bias[region * OUTPUTS4 + min(o4, OUTPUTS4 - 1u)];
}

// Where a workgroup's tile is.
struct Tile {
    // The number of its tile among those that share rows.
    column: u32,
    region: u32,
    // The position of its first row, and the position behind its region's last row.
    first: u32,
    end: u32,
}

// Finishing reads memory, and no read passes a write: all sums are finished before the first is
// stored.
fn finished(region: u32, row: u32, o4: u32, sum: vec4<f32>) -> vec4<f32> {
    return finish(DESCALE * sum, row_scale(row), bias_of(region, o4));
}
