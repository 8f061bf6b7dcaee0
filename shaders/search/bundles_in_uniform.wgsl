// How the words of all regions are read, from uniform memory, which shaders read fastest. As many as every adapter has
// room for, some of them padding.
// gives: bundles

@group(0) @binding(4) var<uniform> bundles: array<vec4<u32>, 4096>;
