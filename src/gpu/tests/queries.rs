//! What the kernels make of queries, compared with plain sums in f64.

use wgpu::{BindGroupDescriptor, BindGroupEntry, Buffer};

use super::super::device::Gpu;
use super::super::kernels::{
    AtOnce, Kernel, Resident, WeightPart, matrices, project, project_groups, projection_roundings,
};
use super::super::programs::compile;
use super::super::search::SearchLayout;
use super::index_ranges::{read, storage};
use super::models;
use crate::model::Model;
use crate::plan::count;
use crate::search::Metric;

/// Numbers between -1 and 1.
fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let number = |i: u32| (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 8) as f32;
    (0..count(len)).map(|i| number(i) / (1 << 23) as f32 - 1.0).collect()
}

fn buffer(gpu: &Gpu, values: &[f32]) -> Buffer {
    storage(gpu, bytemuck::cast_slice(values))
}

/// Runs a kernel on buffers, in the order of its bindings.
fn run(gpu: &Gpu, kernel: &Kernel, buffers: &[&Buffer], [x, y]: [u32; 2]) {
    let pipeline = compile(gpu, kernel).unwrap();
    let resources = buffers.iter().map(|buffer| buffer.as_entire_binding());
    let entries: Vec<BindGroupEntry<'_>> = (0..)
        .zip(resources)
        .map(|(binding, resource)| BindGroupEntry { binding, resource })
        .collect();
    let group = gpu.device().create_bind_group(&BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &entries,
    });
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    let mut pass = encoder.begin_compute_pass(&Default::default());
    pass.set_pipeline(&pipeline);
    pass.set_bind_group(0, &group, &[]);
    pass.dispatch_workgroups(x, y, 1);
    drop(pass);
    gpu.queue().submit([encoder.finish()]);
}

/// Projects queries with parts of the weights, and returns the largest share of its bound that a value is
/// off by.
fn projected(gpu: &Gpu, model: &Model, at_once: AtOnce) -> f64 {
    let layout = SearchLayout::new(model, Metric::Cosine, gpu.caps());
    let (dim, queries, regions) = (model.config().dim, 7, model.region_count());
    let groups = if at_once == AtOnce::Four { 2 } else { queries };
    let rows = numbers(queries * dim, 3);
    let scaled = buffer(gpu, &rows);
    let bytes = layout.query_bytes(queries, groups, at_once).projected;
    // What is not written shows.
    let out = buffer(gpu, &vec![f32::NAN; bytes as usize / 4]);
    // Of two regions, or of some values of one, at a time.
    let fours = layout.shape.values4 + 1;
    let room = |bytes: usize| {
        let mut caps = gpu.caps().clone();
        caps.limits.binding_bytes = bytes as u64;
        caps
    };
    let two_regions = room(2 * 16 * dim * fours as usize);
    let half = room(16 * dim * (fours as usize).div_ceil(2));
    let parts =
        layout.weight_parts(dim, if model.region_count() > 1 { &two_regions } else { &half });
    let parts = parts.unwrap();
    assert!(parts.len() > 1 || regions <= 2);
    for part in parts {
        let weights = layout.query_weights(model, &part);
        let weights = buffer(gpu, bytemuck::cast_slice(&weights));
        let kernel = project(&layout.shape, count(dim), at_once, &part);
        let groups = project_groups(count(queries), &part);
        run(gpu, &kernel, &[&scaled, &weights, &out], groups);
    }
    let found: Vec<f32> = read(gpu, &out);
    let all = WeightPart { regions: 0..regions, fours: 0..fours };
    let weights: Vec<f32> = bytemuck::pod_collect_to_vec(&layout.query_weights(model, &all));
    let (values, side) = (4 * layout.shape.values4 as usize, at_once.side_by_side() as usize);
    let mut largest = 0.0f64;
    for query in 0..groups * side {
        for region in 0..regions {
            let group = query / side * regions + region;
            let first = group * 4 * (layout.shape.values4 as usize * side + 1);
            for value in 0..=values {
                let found = f64::from(found[first + value * side + query % side]);
                let (mut sum, mut magnitude) = (0.0, 0.0);
                for d in 0..dim {
                    let weight = weights[(region * dim + d) * (values + 4) + value];
                    let row = rows.get(query * dim + d).copied().unwrap_or(0.0);
                    let product = f64::from(row) * f64::from(weight);
                    (sum, magnitude) = (sum + product, magnitude + product.abs());
                }
                // Of weights and queries, which are what they are here, nothing is rounded.
                let roundings = projection_roundings(dim) as f64 - 2.0;
                let bound = roundings * magnitude * f64::from(f32::EPSILON / 2.0);
                let share = if bound == 0.0 { found.abs() } else { (found - sum).abs() / bound };
                assert!(share.is_finite(), "query {query}, region {region}, value {value}");
                largest = largest.max(share);
            }
        }
    }
    largest
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "no GPU adapter: VECODEC_SKIP_GPU_TESTS is set")]
fn projected_queries_are_within_their_bound() {
    let gpu = Gpu::new().unwrap();
    let mut largest = 0.0f64;
    for model in models().iter().filter(|model| model.config().latent_dim <= 130) {
        for at_once in [AtOnce::One, AtOnce::Four] {
            let share = projected(&gpu, model, at_once);
            assert!(share <= 1.0, "{:?}, {at_once:?}: {share}", model.config());
            largest = largest.max(share);
        }
    }
    // The bound is not so large that it could not be passed.
    assert!(largest > 0.02, "{largest}");
}

#[test]
#[cfg_attr(skip_gpu_tests, ignore = "no GPU adapter: VECODEC_SKIP_GPU_TESTS is set")]
fn matrices_hold_the_nearest_f16() {
    let gpu = Gpu::new().unwrap();
    let model = models().into_iter().find(|model| model.region_count() >= 3).unwrap();
    let layout = SearchLayout::new(&model, Metric::Cosine, gpu.caps());
    let (regions, values) = (model.region_count(), 4 * layout.shape.values4 as usize);
    let (stride, block) = (values + 4, AtOnce::Many.count());
    let matrix_values = layout.shape.matrix_values() as usize;
    let scales = [1.0, 1e-30, 1e30, 1e-40, 0.0, 0.3, 2e38];
    let mut projected = numbers(scales.len() * regions * stride, 5);
    for (query, scale) in projected.chunks_exact_mut(regions * stride).zip(scales) {
        query.iter_mut().for_each(|value| *value *= scale);
        // Far below the others: subnormal numbers of f16.
        query[0] *= 1e-9;
        query[1] *= 1e-7;
    }
    let bytes = layout.query_bytes(scales.len(), 1, AtOnce::Many);
    let nan = |bytes: u64| vec![f32::NAN; bytes as usize / 4];
    let (out, centers) = (buffer(&gpu, &nan(bytes.packed)), buffer(&gpu, &nan(bytes.centers)));
    let queries = buffer(&gpu, &projected);
    let groups = [count(block), count(regions)];
    run(&gpu, &matrices(&layout.shape), &[&queries, &out, &centers], groups);
    let (found, centers): (Vec<half::f16>, Vec<[f32; 2]>) =
        (read(&gpu, &out), read(&gpu, &centers));
    for query in 0..block {
        for region in 0..regions {
            let of_region = projected.get((query * regions + region) * stride..).unwrap_or(&[]);
            let [center, back] = centers[query * regions + region];
            let first = (region * block + query / 16 * 16) * matrix_values;
            let largest = of_region.iter().take(values).fold(0.0f32, |max, v| max.max(v.abs()));
            assert_eq!(center, of_region.get(values).copied().unwrap_or(0.0));
            let scaled = f64::from(largest) / f64::from(back);
            assert!(scaled < 16384.0 && back.is_normal(), "{largest}, {back}");
            assert!(largest < 1e-25 || scaled >= 8192.0, "{largest}, {back}");
            for value in 0..matrix_values {
                let matrix = first + value / 16 * 256;
                let found = found[matrix + query % 16 * 16 + value % 16];
                let value = of_region.get(value).copied().filter(|_| value < values).unwrap_or(0.0);
                let expected = half::f16::from_f64(f64::from(value) / f64::from(back));
                assert_eq!(found, expected, "query {query}, region {region}: {value}");
            }
        }
    }
}

/// What a query is multiplied by for a byte of a look-up: `Byte` in `shaders/search/quad_queries.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Byte {
    value: u32,
    scale: f32,
    error: f32,
}

/// The integers of a query are off by half a query scale. The margin is what values and integers are off by, and little
/// more.
#[test]
#[cfg_attr(skip_gpu_tests, ignore = "no GPU adapter: VECODEC_SKIP_GPU_TESTS is set")]
fn margins_bound_what_integers_are_off_by() {
    let gpu = Gpu::new().unwrap().as_hardware();
    let scales = [1.0f32, 1e-30, 1e30, 1e-40, 0.0, 0.3, 2e34];
    let layouts = models().into_iter().map(|model| {
        let layout = SearchLayout::new(&model, Metric::Cosine, gpu.caps());
        (model, layout)
    });
    let mut tested = 0;
    for (model, layout) in layouts.filter(|(model, _)| model.config().latent_dim <= 130) {
        let regions = model.region_count();
        let stride = 4 * layout.shape.values4 as usize + 4;
        let mut projected = numbers(scales.len() * regions * stride, 11);
        for (query, scale) in projected.chunks_exact_mut(regions * stride).zip(scales) {
            query.iter_mut().for_each(|value| *value *= scale);
        }
        let residents = layout.residents();
        let bytes = residents.iter().find(|(resident, _)| *resident == Resident::QuadBytes);
        for (at_once, kernel) in layout.quad_queries() {
            let weights: Vec<Byte> = bytemuck::pod_collect_to_vec(&bytes.unwrap().1);
            let side = at_once.count();
            let groups = scales.len().div_ceil(side);
            let size = layout.query_bytes(scales.len(), groups, at_once).packed;
            let out = buffer(&gpu, &vec![f32::NAN; size as usize / 4]);
            let (queries, all_bytes) = (buffer(&gpu, &projected), storage(&gpu, &bytes.unwrap().1));
            let workgroups = [count(groups * side), count(regions)];
            run(&gpu, &kernel, &[&queries, &all_bytes, &out], workgroups);
            let found: Vec<u32> = read(&gpu, &out);
            let of_region = weights.len() / regions;
            let block = found.len() / groups / regions;
            for (query, region) in
                (0..groups * side).flat_map(|query| (0..regions).map(move |region| (query, region)))
            {
                let found = &found[(query / side * regions + region) * block..][..block];
                let term = |number: usize| {
                    f64::from(f32::from_bits(found[block - 12 + 4 * number + query % side]))
                };
                let (query_scale, margin, center) = (term(0), term(1), term(2));
                let values = projected.get((query * regions + region) * stride..).unwrap_or(&[]);
                let value = |at: usize| f64::from(values.get(at).copied().unwrap_or(0.0));
                assert_eq!(center, value(stride - 4));
                let mut bound = 0.0;
                for (number, byte) in weights[region * of_region..][..of_region].iter().enumerate()
                {
                    let at = number / 4 * 2 * side + query % side;
                    let part = |word: u32| f64::from(word.to_le_bytes()[number % 4] as i8);
                    let integer = 256.0 * part(found[at]) + part(found[at + side]);
                    if byte.value == u32::MAX {
                        assert_eq!(integer, 0.0);
                        continue;
                    }
                    let value = value(byte.value as usize);
                    let off = (f64::from(byte.scale) * value - integer * query_scale).abs();
                    assert!(off <= 0.52 * query_scale + 1e-37, "{value}, {integer}, {query_scale}");
                    bound += f64::from(byte.error) * value.abs() + 128.0 * off;
                }
                assert!(margin >= bound, "query {query}: {margin}, {bound}");
                let parts = |byte: &Byte| {
                    let is_value = byte.value != u32::MAX && !values.is_empty();
                    let value = if is_value { value(byte.value as usize).abs() } else { 0.0 };
                    f64::from(byte.error) * value
                        + f64::from(u8::from(is_value)) * 67.0 * query_scale
                };
                let all: f64 = weights[region * of_region..][..of_region].iter().map(parts).sum();
                assert!(margin <= 1.01 * all + 1e-30, "query {query}: {margin}, {all}");
                tested += 1;
            }
        }
    }
    assert!(tested > 100, "{tested}");
}
