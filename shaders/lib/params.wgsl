// Parameters of a dispatch, written by the host.
// gives: params

struct Params {
    // Rows in this chunk.
    rows: u32,
    // 1 where every row has a scale of its own, 0 where all rows share the first.
    scale_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
