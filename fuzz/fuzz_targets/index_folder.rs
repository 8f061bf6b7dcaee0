//! `Index::open` on a folder of which the input alters the files: what opens is searched.

#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use vecodec::{Codes, Index, Metric, Model};
use vecodec_fuzz::{Scratch, exercise, model_and_codes};

fuzz_target!(|input: &[u8]| {
    let (source, alterations) = input.split_at(input.len() / 2);
    let Ok((model_file, codes_file)) = model_and_codes(source) else { return };
    let scratch = Scratch::default();
    let Ok(model) = Model::load(scratch.file("model", &model_file)) else { return };
    let Ok(codes) = Codes::load(scratch.file("codes", &codes_file)) else { return };
    let codec = exercise::codec(&model);
    let Ok(index) = Index::new(&codec, codes, Metric::Cosine) else { return };
    index.remove(&[0]).expect("there is a row");
    let folder = scratch.path("index");
    index.save(&folder).expect("an index can be saved");
    let entries = fs::read_dir(&folder).expect("it was saved there");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    // A file, a position, and what it holds there from then on.
    for &[file, high, low, byte] in alterations.as_chunks::<4>().0 {
        let path = &files[usize::from(file) % files.len()];
        let mut bytes = fs::read(path).expect("a file of the index");
        let at = usize::from(u16::from_be_bytes([high, low])) % bytes.len().max(1);
        if let Some(altered) = bytes.get_mut(at) {
            *altered = byte;
        }
        fs::write(path, bytes).expect("a file of the index");
    }
    exercise::index(&codec, Index::open(&codec, &folder));
});
