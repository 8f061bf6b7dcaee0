// Decode: out[r, d] = scale[r] * sum_l code[r, l] W[l, d] + bias[d]
// codes [rows, LATENTS4] words of four signed bytes; W [4 * LATENTS4, 4 * OUTPUTS4].
// A workgroup of 256 threads owns 64 rows x 64 outputs, a thread 4 x 4 of them, in steps of 16
// latents. This shader is the baseline's own and stays as it is: the library's shaders change.

override LATENTS4: u32;
override OUTPUTS4: u32;

struct Params {
    rows: u32,
    scale_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> codes: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> scales: array<f32>;

// [16 latents][64 rows] and [16 latents][16 vec4s of outputs].
var<workgroup> tile_codes: array<f32, 1024>;
var<workgroup> tile_weights: array<vec4<f32>, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let last = params.rows - 1u;
    var sums: array<vec4<f32>, 4>;
    for (var step4 = 0u; step4 < LATENTS4; step4 += 4u) {
        let row = thread / 4u;
        let word = step4 + thread % 4u;
        let packed = codes[min(64u * group.y + row, last) * LATENTS4 + min(word, LATENTS4 - 1u)];
        let values = select(vec4<f32>(), vec4<f32>(unpack4xI8(packed)), word < LATENTS4);
        for (var c = 0u; c < 4u; c++) {
            tile_codes[(4u * (thread % 4u) + c) * 64u + row] = values[c];
        }
        let latent = min(4u * step4 + thread / 16u, 4u * LATENTS4 - 1u);
        let column = min(16u * group.x + thread % 16u, OUTPUTS4 - 1u);
        tile_weights[thread] = weights[latent * OUTPUTS4 + column];
        workgroupBarrier();
        for (var l = 0u; l < 16u; l++) {
            let w = tile_weights[l * 16u + thread % 16u];
            for (var r = 0u; r < 4u; r++) {
                sums[r] += tile_codes[l * 64u + 4u * (thread / 16u) + r] * w;
            }
        }
        workgroupBarrier();
    }
    let column = 16u * group.x + thread % 16u;
    for (var r = 0u; r < 4u; r++) {
        let row = 64u * group.y + 4u * (thread / 16u) + r;
        if row < params.rows && column < OUTPUTS4 {
            let scale = scales[row * params.scale_stride];
            out[row * OUTPUTS4 + column] = sums[r] * scale + bias[column];
        }
    }
}
