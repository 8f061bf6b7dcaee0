// What the host tells a dispatch.
struct Params {
    // Rows in this chunk.
    rows: u32,
    // 1 where every row has its own scale, 0 where they share the first.
    scale_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
