//! Bit codes of format 3, decoded in plain loops from the files, as another program would.

use safetensors::{Dtype, SafeTensors};
use vecodec::{Codes, Coding, Model};

/// What the file of a model holds.
struct ModelFile {
    states: Option<usize>,
    centroids: Vec<f64>,
    basis: Vec<f64>,
    steps: Vec<f64>,
    /// Of each region: bits of each symbol and latents of each symbol.
    symbols: Vec<Vec<(i64, usize)>>,
    /// By bits and latents of a symbol: the entries of each latent's table.
    tables: Vec<((i64, usize), Vec<f64>)>,
}

/// Names of tables, and bits and latents of their symbols, the largest rate first.
fn rates() -> Vec<(String, (i64, usize))> {
    let whole = |bits: i64| (format!("table.{bits}"), (bits, 1));
    let mut all: Vec<_> = (2..=12).rev().map(whole).collect();
    all.push(("table.1.5".to_owned(), (3, 2)));
    all.push(whole(1));
    all.push(("table.0.5".to_owned(), (1, 2)));
    all
}

fn numbers(file: &SafeTensors<'_>, name: &str) -> Vec<f64> {
    let tensor = file.tensor(name).unwrap();
    let bytes = tensor.data();
    match tensor.dtype() {
        Dtype::F32 => {
            let values = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
            values.map(f64::from).collect()
        }
        Dtype::F16 => {
            let values = bytes.chunks_exact(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]));
            values.map(f64::from).collect()
        }
        Dtype::U32 => {
            let values = bytes.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap()));
            values.map(f64::from).collect()
        }
        Dtype::U8 => bytes.iter().map(|b| f64::from(*b)).collect(),
        other => panic!("{name} is {other:?}"),
    }
}

impl ModelFile {
    fn of(model: &Model) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        model.save(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let states = match model.config().coding() {
            Some(Coding::Trellis { states }) => Some(states),
            _ => None,
        };
        let symbols = match states {
            None => {
                let bits_per_latent = numbers(&file, "bits");
                let mut bits_per_latent = bits_per_latent.iter();
                let region = |latents: &f64| {
                    bits_per_latent
                        .by_ref()
                        .take(*latents as usize)
                        .map(|bits| (*bits as i64, 1))
                        .collect()
                };
                numbers(&file, "latents").iter().map(region).collect()
            }
            Some(_) => {
                let region = |counts: &[f64]| {
                    let symbols = rates().into_iter().zip(counts).flat_map(|((_, rate), count)| {
                        std::iter::repeat_n(rate, *count as usize / rate.1)
                    });
                    symbols.collect()
                };
                numbers(&file, "counts").chunks(14).map(region).collect()
            }
        };
        let names = file.names();
        let tables = rates()
            .into_iter()
            .filter(|(name, _)| names.contains(&name.as_str()))
            .map(|(name, rate)| (rate, numbers(&file, &name)))
            .collect();
        Self {
            states,
            centroids: numbers(&file, "centroids"),
            basis: numbers(&file, "basis"),
            steps: numbers(&file, "steps"),
            symbols,
            tables,
        }
    }

    /// The latents of a row's bits.
    fn latents(&self, region: usize, first_bit: i64, packed: &[u8]) -> Vec<f64> {
        let bit = |k: i64| packed[k as usize / 8] as usize >> (k % 8) & 1;
        let (mut end, mut trellis_start) = (first_bit, first_bit);
        let mut values = Vec::new();
        for &(own, latents) in &self.symbols[region] {
            if self.states.is_none() && end % 8 + own > 8 {
                end += 8 - end % 8;
            }
            end += own;
            let state_bits = self.states.map_or(0, |states| i64::from(states.trailing_zeros()));
            let bits = own.max(state_bits);
            if own > state_bits {
                trellis_start = end;
            }
            let zero_before = if own > state_bits { end - own } else { trellis_start };
            let window: usize = (end - bits..end)
                .enumerate()
                .map(|(j, k)| if k < zero_before { 0 } else { bit(k) << j })
                .sum();
            let (_, table) = self.tables.iter().find(|(rate, _)| *rate == (own, latents)).unwrap();
            values.extend((0..latents).map(|latent| table[(latent << bits) + window]));
        }
        values
    }
}

/// A decoded row in its parts: `scale * (center + rest)`.
pub struct NaiveRow {
    pub scale: f64,
    /// `[dim]`: the centroid of the row's region.
    pub center: Vec<f64>,
    /// `[dim]`: what the latents add.
    pub rest: Vec<f64>,
}

/// The rows of codes.
pub fn naive_rows(model: &Model, codes: &Codes) -> Vec<NaiveRow> {
    let file = ModelFile::of(model);
    let (dim, regions) = (model.config().dim, file.symbols.len());
    let id_bits = usize::BITS - (regions - 1).leading_zeros();
    let latents = |region: usize| file.symbols[region].iter().map(|(_, n)| n).sum::<usize>();
    let row_bytes = codes.as_bytes().len() / codes.row_count();
    let mut out = Vec::new();
    for (row, packed) in codes.as_bytes().chunks(row_bytes).enumerate() {
        let region = usize::from(packed[0]) % (1 << id_bits);
        let before: usize = (0..region).map(latents).sum();
        let values = file.latents(region, id_bits.into(), packed);
        let scale = f64::from(codes.scales()[if codes.scales().len() > 1 { row } else { 0 }]);
        let mut rest = Vec::new();
        for d in 0..dim {
            let part = |(l, value): (usize, &f64)| {
                file.steps[before + l] * value * file.basis[(before + l) * dim + d]
            };
            rest.push(values.iter().enumerate().map(part).sum());
        }
        out.push(NaiveRow { scale, center: file.centroids[region * dim..][..dim].to_vec(), rest });
    }
    out
}

/// The rows `[rows, dim]` of codes.
pub fn naive_decode(model: &Model, codes: &Codes) -> Vec<f64> {
    let rows = naive_rows(model, codes).into_iter();
    let decoded = |row: NaiveRow| {
        let values = row.center.into_iter().zip(row.rest);
        values.map(move |(c, r)| row.scale * (c + r)).collect::<Vec<f64>>()
    };
    rows.flat_map(decoded).collect()
}
