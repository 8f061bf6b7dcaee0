// Rows of f16 in memory: rows [chunk rows, 4 * INPUTS4], padded with zeros, two values in a word.
// gives: RowsRaw, load_rows, row_values, ROWS_ARE_F16

@group(0) @binding(3) var<storage, read> rows: array<vec2<u32>>;

alias RowsRaw = vec2<u32>;

const ROWS_ARE_F16: bool = true;

// Four values as they are stored in memory: vec4 number `at`.
fn load_rows(at: u32) -> RowsRaw {
    return rows[at];
}

fn row_values(raw: RowsRaw) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(raw.x), unpack2x16float(raw.y));
}
