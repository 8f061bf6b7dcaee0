//! `Model::load` of a file made of the input.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vecodec::Model;
use vecodec_fuzz::{Scratch, exercise, model_file};

fuzz_target!(|input: &[u8]| {
    let Ok(file) = model_file(input) else { return };
    let scratch = Scratch::default();
    if let Ok(model) = Model::load(scratch.file("model", &file)) {
        exercise::model(&scratch, &model);
    }
});
