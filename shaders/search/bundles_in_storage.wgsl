// How the words of all regions are read, where uniform memory has no room for them.
// gives: bundles

@group(0) @binding(4) var<storage, read> bundles: array<vec4<u32>>;
