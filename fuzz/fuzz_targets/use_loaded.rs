//! Loads a model and codes that name it, and uses whatever loads on the CPU engine.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vecodec::{Codes, Model};
use vecodec_fuzz::{Scratch, exercise, model_and_codes};

fuzz_target!(|input: &[u8]| {
    let Ok((model_file, codes_file)) = model_and_codes(input) else { return };
    let scratch = Scratch::default();
    let Ok(model) = Model::load(scratch.file("model", &model_file)) else { return };
    exercise::verbs(&model, input.len() as u64);
    if let Ok(codes) = Codes::load(scratch.file("codes", &codes_file)) {
        exercise::loaded_codes(&model, &codes);
        exercise::codes(&scratch, &codes);
    }
});
