// Rows of a model with several regions: regions [chunk rows].
// gives: region_of

@group(0) @binding(7) var<storage, read> regions: array<u32>;

fn region_of(row: u32) -> u32 {
    return regions[row];
}
