//! `Codes::load` and `CodesReader` on a file made of the input.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vecodec::{Codes, CodesReader};
use vecodec_fuzz::{Scratch, codes_file, exercise};

fuzz_target!(|input: &[u8]| {
    let Ok(file) = codes_file(input) else { return };
    let scratch = Scratch::default();
    let path = scratch.file("codes", &file);
    let whole = Codes::load(&path);
    if let Ok(codes) = &whole {
        exercise::codes(&scratch, codes);
    }
    // Rows with a bad scale make the whole file bad, and leave the other rows as they are.
    let Ok(mut reader) = CodesReader::open(&path) else {
        assert!(whole.is_err(), "a file that loads can be opened");
        return;
    };
    let rows = reader.row_count();
    let mut bad = 0;
    for row in 0..rows.min(64) {
        match reader.read(row..row + 1) {
            Ok(codes) => assert_eq!(codes.row_count(), 1),
            Err(_) => bad += 1,
        }
    }
    // A file may hold no rows, and codes may not.
    let valid = rows > 0 && bad == 0;
    assert!(rows > 64 || whole.is_ok() == valid, "{bad} of {rows} rows are bad");
    assert!(reader.read(rows..rows + 1).is_err() && reader.read(1..usize::MAX).is_err());
});
