//! A small model of each kind, with its codes and the files of both.

use vecodec::{Codec, Codes, Coding, Model, RowNorm};

use super::draft::Draft;
use crate::bit_codes::{fitted, rows};
use crate::data::{Options, Random};
use crate::engines::{codec, cpu};

pub const DIM: usize = 3;
const ROWS: usize = 5;

pub struct Fixture {
    pub name: String,
    pub model: Model,
    pub codec: Codec,
    pub batch: Vec<f32>,
    pub codes: Codes,
    pub decoded: Vec<f32>,
    pub model_file: Vec<u8>,
    pub codes_file: Vec<u8>,
}

impl Fixture {
    /// Both kinds of codes with every option, and codes that share a scale.
    pub fn all() -> Vec<Self> {
        let int8 =
            Options::ALL.map(|options| (format!("int8, {options}"), options.model(DIM, 2, 7)));
        let mut models = int8.to_vec();
        for coding in [Coding::Scalar, Coding::Trellis { states: 4 }] {
            for (norms, bytes) in [(RowNorm::Omit, 1), (RowNorm::Store, 5)] {
                let model = fitted(&rows(40, DIM, 8), DIM, bytes, coding, norms);
                models.push((format!("{coding:?}, {norms:?}"), model));
            }
        }
        let shared = models[0].1.clone();
        let mut all: Vec<Self> =
            models.into_iter().map(|(name, model)| Self::new(name, model)).collect();
        let packed = all[0].codes.as_bytes().to_vec();
        let codes = Codes::from_parts(&shared, packed, 0.5).unwrap();
        all.push(Self::of_codes("int8, one scale".to_owned(), shared, codes));
        all
    }

    fn new(name: String, model: Model) -> Self {
        let codes = codec(&cpu(), &model).encode_flat(&batch()).unwrap();
        Self::of_codes(name, model, codes)
    }

    fn of_codes(name: String, model: Model, codes: Codes) -> Self {
        let codec = codec(&cpu(), &model);
        let decoded = codec.decode_flat(&codes).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        model.save(&path).unwrap();
        let model_file = std::fs::read(&path).unwrap();
        codes.save(&path).unwrap();
        let codes_file = std::fs::read(&path).unwrap();
        Self { name, model, codec, batch: batch(), codes, decoded, model_file, codes_file }
    }

    /// The parts of the model's file. They must give the file again, or an alteration of them would
    /// not be the only one.
    pub fn model_draft(&self) -> Draft {
        self.draft(&self.model_file)
    }

    /// The parts of the file of the codes.
    pub fn codes_draft(&self) -> Draft {
        self.draft(&self.codes_file)
    }

    fn draft(&self, file: &[u8]) -> Draft {
        let draft = Draft::parse(file).unwrap();
        let mut signed = draft.clone();
        signed.sign();
        assert_eq!(signed, draft, "{}: docs/format.md gives other checksums", self.name);
        draft
    }

    /// Whether each row of the codes has a scale of its own.
    pub fn has_own_scales(&self) -> bool {
        self.codes.scales().len() == ROWS
    }

    pub fn has_bits(&self) -> bool {
        self.model.config().bytes().is_some()
    }

    /// The codec gives what it gave before.
    pub fn assert_works(&self) {
        let found = self.codec.encode_flat(&self.batch).unwrap();
        assert_eq!(found.as_bytes(), self.codes.as_bytes(), "{}", self.name);
        assert_eq!(self.codec.decode_flat(&self.codes).unwrap(), self.decoded, "{}", self.name);
    }
}

fn batch() -> Vec<f32> {
    Random::new(9).normals(ROWS * DIM, 1.0)
}

/// A loaded model encodes and decodes.
pub fn assert_works(model: &Model, what: &str) {
    let dim = model.config().dim;
    let codec = codec(&cpu(), model);
    let batch = Random::new(10).normals(2 * dim, 1.0);
    // The weights may be such that the latents leave the range of `f32`.
    match codec.encode_flat(&batch) {
        Ok(codes) => assert_eq!(codec.decode_flat(&codes).unwrap().len(), 2 * dim, "{what}"),
        Err(error) => assert!(matches!(error, vecodec::Error::Overflow { .. }), "{what}: {error}"),
    }
}
