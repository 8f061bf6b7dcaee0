// Rows divided by their L2 norms: norm[r] = |x[r, ..]|, unit_rows[r, i] = x[r, i] / norm[r].
// unit_rows [chunk rows, 4 * INPUTS4], padded with zeros. norms [chunk rows]. A thread owns a row.
// needs: params, magnitude, SMALLEST_NORMAL, INFINITY, load_rows, row_values

override INPUTS4: u32;
override WORKGROUP: u32;

@group(0) @binding(1) var<storage, read_write> unit_rows: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> norms: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if row >= params.rows {
        return;
    }
    let first = row * INPUTS4;
    var largest_bits = 0u;
    for (var i = 0u; i < INPUTS4; i++) {
        largest_bits = max(largest_bits, magnitude(row_values(load_rows(first + i))));
    }
    // A row of values below the smallest normal number stays as it is.
    var norm = 0.0;
    var divisor = 1.0;
    if largest_bits >= SMALLEST_NORMAL {
        // Divided by the largest value first, so that squares neither overflow nor vanish.
        let largest = bitcast<f32>(largest_bits);
        var squares = vec4<f32>();
        for (var i = 0u; i < INPUTS4; i++) {
            let scaled = row_values(load_rows(first + i)) / largest;
            squares += scaled * scaled;
        }
        norm = largest * sqrt(squares.x + squares.y + squares.z + squares.w);
        divisor = norm;
    }
    norms[row] = norm;
    // A norm beyond the largest f32 must show in the row's codes.
    let overflows = vec4<bool>(bitcast<u32>(norm) >= INFINITY);
    for (var i = 0u; i < INPUTS4; i++) {
        let normalized = bitcast<vec4<u32>>(row_values(load_rows(first + i)) / divisor);
        unit_rows[first + i] = select(normalized, vec4<u32>(INFINITY), overflows);
    }
}
