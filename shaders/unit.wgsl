// Unit rows: norm[r] = |x[r, ..]|, unit[r, i] = x[r, i] / norm[r]
// x and units [rows, 4 * INPUTS4], padded with zeros; a thread owns a row.

override INPUTS4: u32;
override WORKGROUP: u32;

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> units: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> norms: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if row >= params.rows {
        return;
    }
    let first = row * INPUTS4;
    var most = 0u;
    for (var i = 0u; i < INPUTS4; i++) {
        most = max(most, magnitude(x[first + i]));
    }
    // A vanishing row stays as it is.
    var norm = 0.0;
    var divisor = 1.0;
    if most >= SMALLEST_NORMAL {
        // Scaled by the largest first, so that the squares neither overflow nor vanish.
        let largest = bitcast<f32>(most);
        var squares = vec4<f32>();
        for (var i = 0u; i < INPUTS4; i++) {
            let part = x[first + i] / largest;
            squares += part * part;
        }
        norm = largest * sqrt(squares.x + squares.y + squares.z + squares.w);
        divisor = norm;
    }
    norms[row] = norm;
    // A norm beyond the largest value must show in whatever comes of the row.
    let overflows = vec4<bool>(bitcast<u32>(norm) >= INFINITY);
    for (var i = 0u; i < INPUTS4; i++) {
        let unit = bitcast<vec4<u32>>(x[first + i] / divisor);
        units[first + i] = select(unit, vec4<u32>(INFINITY), overflows);
    }
}
