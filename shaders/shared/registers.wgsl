// The product without workgroup memory or barriers, for software adapters: a thread owns ROWS
// rows x 4 outputs in registers. Threads run along the outputs first.

const ROWS: u32 = 12u;

override WORKGROUP: u32;

fn product(first_row: u32, o4: u32) -> array<vec4<f32>, ROWS> {
    var sums: array<vec4<f32>, ROWS>;
    let last = params.rows - 1u;
    for (var i4 = 0u; i4 < INPUTS4; i4++) {
        let at = 4u * i4 * OUTPUTS4 + o4;
        let w0 = weight(at);
        let w1 = weight(at + OUTPUTS4);
        let w2 = weight(at + 2u * OUTPUTS4);
        let w3 = weight(at + 3u * OUTPUTS4);
        for (var r = 0u; r < ROWS; r++) {
            // Rows beyond the last repeat it, and are not stored.
            let x = unpack(fetch(min(first_row + r, last), i4));
            sums[r] += w0 * x.x + w1 * x.y + w2 * x.z + w3 * x.w;
        }
    }
    return sums;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let o4 = id.x % OUTPUTS4;
    let row = id.x / OUTPUTS4 * ROWS;
    if row >= params.rows {
        return;
    }
    var sums = product(row, o4);
    for (var r = 0u; r < ROWS; r++) {
        store(row + r, o4, finished(row + r, o4, sums[r]));
    }
}
