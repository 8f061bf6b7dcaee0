// The region of an encoded row is the first bits of its code. A number beyond the last region, which
// no encoder writes, counts as the last.
// codes [chunk rows, CODE_WORDS] words.
// needs: REGIONS
// gives: region_of

override CODE_WORDS: u32;
override ID_BITS: u32;

@group(0) @binding(3) var<storage, read> codes: array<u32>;

fn region_of(row: u32) -> u32 {
    return min(extractBits(codes[row * CODE_WORDS], 0u, ID_BITS), REGIONS - 1u);
}
