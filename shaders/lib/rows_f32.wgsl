// Rows of f32 in memory: rows [chunk rows, 4 * INPUTS4], padded with zeros.
// gives: RowsRaw, load_rows, row_values, ROWS_ARE_F16

@group(0) @binding(3) var<storage, read> rows: array<vec4<f32>>;

alias RowsRaw = vec4<f32>;

// Values are not exact in f16.
const ROWS_ARE_F16: bool = false;

// Four values as they are stored in memory: vec4 number `at`.
fn load_rows(at: u32) -> RowsRaw {
    return rows[at];
}

fn row_values(raw: RowsRaw) -> vec4<f32> {
    return raw;
}
