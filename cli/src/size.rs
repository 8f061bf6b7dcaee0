//! The size of an encoded row. Only this file makes a model's configuration from a size.

use vecodec::{Activation, BitsConfig, Coding, ModelConfig};

use crate::args::{CodingArg, SizeArgs};

/// The codes of a row and their size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// One byte per latent, and four bytes for the scale of the row.
    Int8 { latent: usize, relu: bool, normalize: bool },
    /// A budget of bytes per row.
    Bits { bytes: usize, coding: Coding },
}

impl Size {
    /// 8-bit codes of a linear latent.
    pub fn int8(latent: usize) -> Self {
        Self::Int8 { latent, relu: false, normalize: false }
    }

    /// The configuration of a model for rows of `dim` values.
    pub fn config(self, dim: usize) -> ModelConfig {
        self.config_with(dim, |bits| bits)
    }

    /// The same with options of bit codes, which 8-bit codes do not have.
    pub fn config_with(self, dim: usize, set: impl Fn(BitsConfig) -> BitsConfig) -> ModelConfig {
        match self {
            Self::Int8 { latent, relu, normalize } => {
                let activation = if relu { Activation::Relu } else { Activation::Identity };
                ModelConfig::int8(dim, latent)
                    .with_activation(activation)
                    .with_normalized_latent(normalize)
                    .into()
            }
            Self::Bits { bytes, coding } => {
                set(ModelConfig::bits(dim, bytes).with_coding(coding)).into()
            }
        }
    }

    /// The codes' name in tables and in JSON.
    pub fn codes(self) -> &'static str {
        match self {
            Self::Int8 { .. } => "int8",
            Self::Bits { .. } => "bits",
        }
    }

    /// The options of `fit` for this size.
    pub fn options(self) -> String {
        match self {
            Self::Int8 { latent, .. } => format!("--latent {latent}"),
            Self::Bits { bytes, coding: Coding::Scalar } => {
                format!("--bytes {bytes} --coding scalar")
            }
            Self::Bits { bytes, coding: Coding::Trellis { states: SizeArgs::STATES } } => {
                format!("--bytes {bytes}")
            }
            Self::Bits { bytes, coding: Coding::Trellis { states } } => {
                format!("--bytes {bytes} --states {states}")
            }
            Self::Bits { bytes, .. } => format!("--bytes {bytes}"),
        }
    }
}

impl SizeArgs {
    /// The default number of states of a trellis.
    pub const STATES: usize = 256;

    /// The size that the options give, if any.
    pub fn size(&self) -> Option<Size> {
        let coding = match self.coding {
            CodingArg::Scalar => Coding::Scalar,
            CodingArg::Trellis => Coding::Trellis { states: self.states },
        };
        let bits = self.bytes.map(|bytes| Size::Bits { bytes, coding });
        bits.or_else(|| self.latent.map(Size::int8))
    }
}

/// The sizes of a table for rows of `dim` values, of which `rows_fitted` are fitted. The table has
/// both kinds of codes at equal bytes, and 8-bit codes with the largest number of latents.
pub fn table_sizes(dim: usize, rows_fitted: usize) -> Vec<Size> {
    let coding = Coding::Trellis { states: SizeArgs::STATES };
    let bits = budgets(dim).map(|bytes| Size::Bits { bytes, coding });
    // A fit needs at least one row per latent.
    let max_latents = dim.min(rows_fitted);
    let latents = budgets(dim).filter_map(|bytes| bytes.checked_sub(SCALE_BYTES));
    let int8 = latents
        .filter(|latent| (1..max_latents).contains(latent))
        .chain([max_latents])
        .map(Size::int8);
    int8.chain(bits).collect()
}

/// Bytes of the scale of 8-bit codes.
const SCALE_BYTES: usize = 4;

/// Budgets in bytes per row, from a third of a bit to four bits per value.
fn budgets(dim: usize) -> impl Iterator<Item = usize> {
    const BUDGETS: [usize; 19] =
        [1, 2, 4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096];
    let range = dim.div_ceil(24)..=(dim / 2).max(1);
    BUDGETS.into_iter().filter(move |bytes| range.contains(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_follow_the_dimension() {
        for (dim, expected) in [
            (1, &[1][..]),
            (12, &[1, 2, 4]),
            (100, &[8, 16, 32]),
            (384, &[16, 32, 64, 96, 128, 192]),
            (768, &[32, 64, 96, 128, 192, 256, 384]),
            (1536, &[64, 96, 128, 192, 256, 384, 512, 768]),
        ] {
            assert_eq!(budgets(dim).collect::<Vec<_>>(), expected, "{dim}");
        }
        assert!((1..20_000).all(|dim| budgets(dim).next().is_some()));
    }

    #[test]
    fn a_table_has_both_codes_and_no_more_latents_than_rows() {
        let sizes = table_sizes(384, 1300);
        let latents = |sizes: &[Size]| -> Vec<usize> {
            let latent = |size: &Size| match size {
                Size::Int8 { latent, .. } => Some(*latent),
                Size::Bits { .. } => None,
            };
            sizes.iter().filter_map(latent).collect()
        };
        assert_eq!(latents(&sizes), [12, 28, 60, 92, 124, 188, 384]);
        assert_eq!(sizes.len(), 13);
        assert_eq!(latents(&table_sizes(384, 30)), [12, 28, 30]);
        assert_eq!(latents(&table_sizes(1, 11)), [1]);
    }

    #[test]
    fn options_ask_for_the_same_size() {
        let coding = Coding::Trellis { states: 64 };
        assert_eq!(Size::Bits { bytes: 8, coding }.options(), "--bytes 8 --states 64");
        assert_eq!(Size::int8(3).options(), "--latent 3");
        let size = Size::Bits { bytes: 8, coding: Coding::Scalar };
        assert_eq!(size.options(), "--bytes 8 --coding scalar");
    }
}
