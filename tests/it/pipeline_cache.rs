//! Pipeline caches: files that are valid, damaged, of another kind, or missing.

use std::fs;
use std::path::Path;

use vecodec::wgpu::Backend;
use vecodec::{Codec, CodecOptions, Engine, Error, Gpu};

use crate::compare::assert_same_bits;
use crate::data::{Case, Random};
use crate::devices::limited;
use crate::engines::{codec, cpu, gpu_suite};

gpu_suite!(gpu:
    cached_pipelines_decode_alike,
    damaged_caches_are_compiled_anew,
    other_files_are_refused_and_unchanged,
    folders_are_no_caches,
    devices_without_a_cache_say_so,
);

const CASE: Case = Case::new(20, 9, 30).bias();

fn on(gpu: &Gpu) -> CodecOptions {
    cpu().with_engine(Engine::Gpu(gpu.clone()))
}

#[expect(unsafe_code, reason = "the test wrote the file, or damaged it in ways a checksum finds")]
fn with_pipeline_cache(path: impl AsRef<Path>) -> vecodec::Result<Gpu> {
    // SAFETY: the files are those of `save_pipeline_cache`, unaltered or with a checksum that no
    // longer matches, so that no altered data reaches the driver.
    unsafe { Gpu::with_pipeline_cache(path) }
}

/// Builds a codec on this device and compares it with a codec on the engine.
fn assert_decodes(gpu: &Gpu, like: &CodecOptions) -> Codec {
    let model = CASE.model();
    let (expected, found) = (codec(like, &model), codec(&on(gpu), &model));
    let codes = expected.encode_flat(&CASE.rows(&model)).unwrap();
    let [expected, decoded] = [expected, found.clone()].map(|c| c.decode_flat(&codes).unwrap());
    assert_same_bits(&expected, &decoded, CASE);
    found
}

/// Saves the pipeline cache. Returns whether the backend has one.
fn saved(gpu: &Gpu, path: &Path) -> bool {
    let written = gpu.save_pipeline_cache(path).unwrap();
    assert_eq!(written, gpu.adapter_info().backend == Backend::Vulkan);
    assert_eq!(written, path.exists());
    written
}

fn cached_pipelines_decode_alike(engine: &CodecOptions) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipelines");
    let gpu = with_pipeline_cache(&path).unwrap();
    assert!(!path.exists(), "reading writes nothing");
    let _codec = assert_decodes(&gpu, engine);
    if saved(&gpu, &path) {
        let again = with_pipeline_cache(&path).unwrap();
        // The cache holds what was read before any pipeline is built, and saves it again.
        let bytes = fs::metadata(&path).unwrap().len();
        assert!(saved(&again, &path));
        assert!(fs::metadata(&path).unwrap().len() >= bytes);
        let _codec = assert_decodes(&again, engine);
    }
}

fn damaged_caches_are_compiled_anew(engine: &CodecOptions) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipelines");
    let gpu = with_pipeline_cache(&path).unwrap();
    let _codec = assert_decodes(&gpu, engine);
    let cached = saved(&gpu, &path);
    // Where the backend has no cache, the file only begins like one.
    let whole = if cached { fs::read(&path).unwrap() } else { b"VECOPIPE".repeat(20) };
    let mut random = Random::new(1);
    for _ in 0..20 {
        let mut bytes = whole.clone();
        // Damages a byte after the eight bytes that name the kind of file.
        let at = 8 + (random.uniform() * (bytes.len() - 8) as f64) as usize;
        bytes[at] ^= 1 << (random.uniform() * 8.0) as u32;
        for damaged in [&bytes[..], &whole[..at]] {
            fs::write(&path, damaged).unwrap();
            let gpu = with_pipeline_cache(&path).unwrap();
            let _codec = assert_decodes(&gpu, engine);
            assert_eq!(gpu.save_pipeline_cache(&path).unwrap(), cached);
            assert_eq!(fs::read(&path).unwrap() != damaged, cached, "a damaged one is replaced");
        }
    }
}

fn other_files_are_refused_and_unchanged(engine: &CodecOptions) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    CASE.model().save(&path).unwrap();
    let before = fs::read(&path).unwrap();
    for bytes in [&before[..], &[], b"VECOPIP"] {
        fs::write(&path, bytes).unwrap();
        let error = with_pipeline_cache(&path).unwrap_err();
        assert!(matches!(&error, Error::Format { path: p, .. } if *p == path), "{error}");
        assert!(error.to_string().contains("name another file"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    let Engine::Gpu(gpu) = &engine.engine else { panic!("{engine:?} is no GPU") };
    let _codec = assert_decodes(gpu, engine);
}

fn folders_are_no_caches(engine: &CodecOptions) {
    let folder = tempfile::tempdir().unwrap();
    let error = with_pipeline_cache(folder.path()).unwrap_err();
    assert!(matches!(&error, Error::Format { path, .. } if path == folder.path()), "{error}");
    let gpu = Gpu::new().unwrap();
    if gpu.adapter_info().backend == Backend::Vulkan {
        let error = gpu.save_pipeline_cache(folder.path().join("absent/pipelines")).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }
    let _codec = assert_decodes(&gpu, engine);
}

fn devices_without_a_cache_say_so(engine: &CodecOptions) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipelines");
    // The caller requested the device without Features::PIPELINE_CACHE.
    let Engine::Gpu(gpu) = limited(engine, |_| {}).engine else { panic!("it is a GPU's") };
    assert!(!gpu.save_pipeline_cache(&path).unwrap());
    assert!(!path.exists());
}
