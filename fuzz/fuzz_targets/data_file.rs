//! Opens a data file in each of the program's formats, and reads its rows.
//!
//! The lengths in front of headers are repaired, so that the text of a header reaches its parser.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vecodec::data::DataReader;
use vecodec_fuzz::Scratch;

/// Rows that are read at a time.
const ROWS: usize = 5;
/// Longer rows are not read: a file of zeros may be long without a reason.
const MAX_DIM: usize = 1 << 16;

fuzz_target!(|input: &[u8]| {
    // A byte for the format, two for the length of the header, the header, the data.
    let [format, low, high, rest @ ..] = input else { return };
    let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
    let (header, data) = rest.split_at(length);
    let npy = |version: u8, header: &[u8]| {
        let length = header.len() as u32;
        let length = &length.to_le_bytes()[..if version == 1 { 2 } else { 4 }];
        [b"\x93NUMPY", &[version, 0][..], length, header, data].concat()
    };
    let (name, bytes) = match format % 9 {
        0 => ("x.npy", npy(1, header)),
        1 => ("x.npy", npy(3, header)),
        2 => {
            let length = (header.len() as u64).to_le_bytes();
            ("x.safetensors", [&length, header, data].concat())
        }
        3 => ("x.fvecs", [header, data].concat()),
        4 => ("x.bvecs", [header, data].concat()),
        5 => ("x.fbin", [header, data].concat()),
        6 => ("x.u8bin", [header, data].concat()),
        7 => ("x.i8bin", [header, data].concat()),
        _ => ("x.npz", [header, data].concat()),
    };
    let scratch = Scratch::default();
    let path = scratch.file(name, &bytes);
    for tensor in [None, Some("a")] {
        let Ok(mut reader) = DataReader::open(&path, tensor) else { continue };
        let (rows, dim) = (reader.row_count(), reader.dim());
        if dim > MAX_DIM {
            continue;
        }
        let mut values = Vec::new();
        for start in (0..rows.min(100)).step_by(ROWS) {
            let range = start..rows.min(start + ROWS);
            let len = range.len() * dim;
            if reader.read(range, &mut values).is_ok() {
                assert_eq!(values.len(), len);
            }
        }
    }
});
