// Rows padded with zeros to vectors of four values.
// tight_rows [chunk rows, INPUTS]. out [chunk rows, 4 * INPUTS4]. A thread copies a vector.
// needs: params

override INPUTS: u32;
override INPUTS4: u32;
override WORKGROUP: u32;

@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> tight_rows: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x / INPUTS4;
    if row >= params.rows {
        return;
    }
    var values = vec4<f32>();
    for (var i = 0u; i < 4u; i++) {
        let column = id.x % INPUTS4 * 4u + i;
        if column < INPUTS {
            values[i] = tight_rows[row * INPUTS + column];
        }
    }
    out[id.x] = values;
}
