// The region of an item, as another kernel or the host has written it.
// regions [items]
// needs: REGIONS
// gives: region_of

@group(0) @binding(3) var<storage, read> regions: array<u32>;

fn region_of(item: u32) -> u32 {
    return min(regions[item], REGIONS - 1u);
}
