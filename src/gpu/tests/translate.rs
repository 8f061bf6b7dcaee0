//! Every shipped kernel parsed, validated and translated for every graphics API.

use naga::back::{PipelineConstants, hlsl, msl, pipeline_constants::process_overrides, spv};
use naga::proc::BoundsCheckPolicies;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, CooperativeSize, Module, ShaderStage, TypeInner};

use super::super::device::COOP_THREADS;
use super::super::kernels::{Kernel, WIDE_THREADS};
use super::shipped_kernels;

pub(super) fn parsed(kernel: &Kernel) -> (Module, ModuleInfo) {
    let wgsl = kernel.wgsl();
    let module = naga::front::wgsl::parse_str(&wgsl)
        .unwrap_or_else(|e| panic!("{}: {}", kernel.name, e.emit_to_string(&wgsl)));
    let mut capabilities = Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    if coop_side(&module).is_some() {
        capabilities |= Capabilities::SHADER_FLOAT16
            | Capabilities::COOPERATIVE_MATRIX
            | Capabilities::SUBGROUP
            | Capabilities::SUBGROUP_BARRIER;
    }
    if kernel.name.contains(".subgroup") {
        capabilities |= Capabilities::SUBGROUP;
    }
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .unwrap_or_else(|e| panic!("{}: {}", kernel.name, e.emit_to_string(&wgsl)));
    (module, info)
}

/// The module with its overrides filled in.
pub(super) fn specialized(kernel: &Kernel) -> (Module, ModuleInfo) {
    let (module, info) = parsed(kernel);
    let mut constants = PipelineConstants::default();
    for (name, value) in &kernel.constants {
        constants.insert((*name).to_owned(), *value);
    }
    let entry = Some((ShaderStage::Compute, "main"));
    let (module, info) = process_overrides(&module, &info, entry, &constants)
        .unwrap_or_else(|e| panic!("{}: {e}", kernel.name));
    (module.into_owned(), info.into_owned())
}

/// Rows and columns of the cooperative matrices that a module uses.
fn coop_side(module: &Module) -> Option<CooperativeSize> {
    module.types.iter().find_map(|(_, ty)| match ty.inner {
        TypeInner::CooperativeMatrix { columns, .. } => Some(columns),
        _ => None,
    })
}

/// Whether a kernel can be translated to MSL and to HLSL. Apple's cooperative matrices are 8 x 8, and
/// kernels of 16 x 16 are taken on Vulkan alone; wgpu has no cooperative matrices on DX12.
pub(super) fn targets(kernel: &Kernel) -> (bool, bool) {
    let side = coop_side(&parsed(kernel).0);
    (side != Some(CooperativeSize::Sixteen), side.is_none())
}

#[test]
fn translate_to_metal() {
    let mut translated = 0;
    for kernel in shipped_kernels() {
        if !targets(&kernel).0 {
            continue;
        }
        let (module, info) = specialized(&kernel);
        let options = msl::Options {
            lang_version: (2, 4),
            fake_missing_bindings: true,
            bounds_check_policies: BoundsCheckPolicies::default(),
            force_loop_bounding: false,
            zero_initialize_workgroup_memory: false,
            ..Default::default()
        };
        let pipeline = msl::PipelineOptions {
            entry_point: Some((ShaderStage::Compute, "main".to_owned())),
            ..Default::default()
        };
        let (text, _) = msl::write_string(&module, &info, &options, &pipeline)
            .unwrap_or_else(|e| panic!("{}: {e}", kernel.name));
        assert!(text.contains("kernel void"), "{}", kernel.name);
        translated += 1;
    }
    assert!(translated > 100, "only {translated} kernels were translated");
}

#[test]
fn translate_to_spirv() {
    for kernel in shipped_kernels() {
        let (module, info) = specialized(&kernel);
        let pipeline = spv::PipelineOptions {
            shader_stage: ShaderStage::Compute,
            entry_point: "main".to_owned(),
        };
        let options = spv::Options { lang_version: (1, 3), ..Default::default() };
        let words = spv::write_vec(&module, &info, &options, Some(&pipeline))
            .unwrap_or_else(|e| panic!("{}: {e}", kernel.name));
        const MAGIC: u32 = 0x0723_0203;
        assert_eq!(words.first(), Some(&MAGIC), "{}", kernel.name);
    }
}

#[test]
fn translate_to_hlsl() {
    let mut translated = 0;
    for kernel in shipped_kernels() {
        if !targets(&kernel).1 {
            continue;
        }
        let (module, info) = specialized(&kernel);
        let options = hlsl::Options {
            shader_model: hlsl::ShaderModel::V6_4,
            fake_missing_bindings: true,
            ..Default::default()
        };
        let pipeline =
            hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, "main".to_owned())) };
        let mut text = String::new();
        hlsl::Writer::new(&mut text, &options, &pipeline)
            .write(&module, &info, None)
            .unwrap_or_else(|e| panic!("{}: {e}", kernel.name));
        assert!(text.contains("numthreads"), "{}", kernel.name);
        translated += 1;
    }
    assert!(translated > 100, "only {translated} kernels were translated");
}

/// A workgroup has no more memory than its kernel says, and no more threads than every device has.
#[test]
fn workgroups_are_as_large_as_their_kernels_say() {
    for kernel in shipped_kernels() {
        let (module, _) = specialized(&kernel);
        let shared =
            module.global_variables.iter().filter(|(_, v)| v.space == AddressSpace::WorkGroup);
        let size = |ty| u64::from(module.types[ty].inner.size(module.to_ctx()));
        let bytes: u64 = shared.map(|(_, v)| size(v.ty)).sum();
        let max_bytes = kernel.workgroup_bytes;
        assert!(bytes <= max_bytes, "{}: {bytes} of {max_bytes} bytes", kernel.name);
        let entry = module.entry_points.iter().find(|e| e.name == "main").unwrap();
        let threads: u32 = entry.workgroup_size.iter().product();
        // Only adapters that allow it are given these kernels.
        let max_threads = match kernel.name.as_str() {
            "scan.bits.coop16" => COOP_THREADS,
            name if name.ends_with(".two_rows") => WIDE_THREADS,
            _ => 256,
        };
        assert!(threads <= max_threads, "{}: {threads} threads", kernel.name);
    }
}
