// What both encoders of bit codes read and write.
// plan [regions, SYMBOLS]: the last symbols of a region with fewer have no bits. All loops over symbols
// have the same length, because a software adapter is slow where a loop's length is read from memory.
// latents [chunk rows, LATENTS padded to a multiple of four]. codes [chunk rows, CODE_WORDS] words.
// needs: INFINITY
// gives: SYMBOLS, CODE_WORDS, symbol_at, latents, tables, codes, first_latent, nearest
// gives: is_clipped, store_scale

override SYMBOLS: u32;
override LATENTS: u32;
override CODE_WORDS: u32;
// Whether `scales` already holds the rows' norms; else every scale is 1.
override STORES_NORMS: bool;

// Some bits of a row, and the one or two latents that the bits give. Its members lie in memory as they
// are listed, four words at a time.
struct Symbol {
    // Where its bits end in the code, and how many there are.
    end: u32,
    bits: u32,
    // The number of its first latent, and how many latents there are.
    latent: u32,
    latents: u32,
    // Where the tables of its latents begin.
    tables: vec2<u32>,
    // A group of the trellis takes every so many of its states. 0 outside the trellis.
    stride: u32,
    // Where a thread's decisions about it begin, in bits.
    position: u32,
    // What the table's values are multiplied by: of a symbol of the trellis the steps in units of the costs.
    table_scales: vec2<f32>,
    // The units of the costs in a latent.
    cost_scale: f32,
    // Of a symbol of the trellis: 1 if 16 bits hold its levels and targets, and products of its tables with
    // their scales are exact.
    narrow: u32,
    // Of a symbol of the trellis: the least and the largest level of each latent, in units of the costs.
    low: vec2<i32>,
    high: vec2<i32>,
    // The largest slope of each latent's costs, and by how many bits its large distances are shifted.
    max_slopes: vec2<i32>,
    shifts: vec2<u32>,
    // The magnitude of each latent beyond which the row is clipped.
    limits: vec2<f32>,
    // In its region, from a last state to the next one whose missing bits are zero.
    last_stride: u32,
}

@group(0) @binding(1) var<storage, read> latents: array<f32>;
@group(0) @binding(2) var<storage, read> plan: array<array<vec4<u32>, 6>>;
@group(0) @binding(3) var<storage, read> tables: array<f32>;
// f32 values as bits.
@group(0) @binding(4) var<storage, read_write> scales: array<u32>;
@group(0) @binding(5) var<storage, read_write> codes: array<u32>;

const ONE: u32 = 0x3f800000u;
const SIGN: u32 = 0x80000000u;

// A symbol, loaded four words at a time. What a shader does not use of it is not loaded.
fn symbol_at(at: u32) -> Symbol {
    let a = plan[at][0];
    let b = plan[at][1];
    let c = plan[at][2];
    let d = bitcast<vec4<i32>>(plan[at][3]);
    let e = plan[at][4];
    let f = plan[at][5];
    var symbol: Symbol;
    symbol.end = a.x;
    symbol.bits = a.y;
    symbol.latent = a.z;
    symbol.latents = a.w;
    symbol.tables = b.xy;
    symbol.stride = b.z;
    symbol.position = b.w;
    symbol.table_scales = bitcast<vec2<f32>>(c.xy);
    symbol.cost_scale = bitcast<f32>(c.z);
    symbol.narrow = c.w;
    symbol.low = d.xy;
    symbol.high = d.zw;
    symbol.max_slopes = bitcast<vec2<i32>>(e.xy);
    symbol.shifts = e.zw;
    symbol.limits = bitcast<vec2<f32>>(f.xy);
    symbol.last_stride = f.z;
    return symbol;
}

fn first_latent(row: u32) -> u32 {
    return row * ((LATENTS + 3u) / 4u * 4u);
}

// The number of the nearest level of a symbol outside the trellis: the number of thresholds below z. A
// tie goes to the lower level. Levels ascend, and thresholds lie half way between them.
fn nearest(z: f32, symbol: Symbol) -> u32 {
    var code = 0u;
    for (var bit = (1u << symbol.bits) >> 1u; bit > 0u; bit >>= 1u) {
        let above = symbol.tables.x + (code | bit);
        let threshold = 0.5 * (tables[above - 1u] + tables[above]) * symbol.table_scales.x;
        code |= select(0u, bit, z > threshold);
    }
    return code;
}

// Whether a latent, or the second latent of its symbol, lies beyond its limit.
fn is_clipped(z: f32, second_z: f32, symbol: Symbol) -> bool {
    return abs(z) > symbol.limits.x || abs(second_z) > symbol.limits.y;
}

// `largest` is the bits of the largest magnitude of the row's latents. A row whose latents are not
// all finite gets an infinite scale, which the host reports. A clipped row gets a negative scale.
fn store_scale(row: u32, largest: u32, clipped: bool) {
    if largest >= INFINITY {
        scales[row] = INFINITY;
        return;
    }
    let scale = select(ONE, scales[row], STORES_NORMS);
    scales[row] = scale | select(0u, SIGN, clipped);
}
