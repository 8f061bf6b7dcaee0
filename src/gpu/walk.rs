//! How matrix products go over their rows, inputs and outputs.

use super::caps::{Caps, Kernels, Precision, Shape, Tile, tile};
use crate::plan::{Grid, count, padded};

/// Threads of a one-dimensional workgroup.
pub(super) const WORKGROUP: u32 = 64;
/// `ROWS` in `shaders/shared/registers.wgsl`.
pub(super) const REGISTER_ROWS: u32 = 12;
/// `SIDE` in `shaders/shared/matrix16.wgsl`.
pub(super) const SIDE: u32 = 16;
/// Workgroups that share a column of stationary weights, at most: enough for a large GPU, and few
/// enough that loading the weights is little of their work. A case in `tests/it/shapes.rs` has more
/// rows than three rounds of them take.
const STRIDES: u32 = 512;

/// How a product is walked. `half`: with weights of f16, read as f32.
#[derive(Clone, Copy, Debug)]
pub(super) enum Walk {
    Registers {
        half: bool,
    },
    Tiled {
        tile: Tile,
        half: bool,
    },
    /// On matrix units of so many rows and columns, with factors of f16, or each `split` in two.
    Matrix {
        side: u32,
        split: bool,
    },
    /// The same on units of 16 x 16, for codes, while the weights stay in registers.
    Stationary {
        split: bool,
    },
}

impl Walk {
    /// The one for a product of so many inputs and outputs.
    pub(super) fn new(caps: &Caps, kernels: Kernels, [inputs, outputs]: [usize; 2]) -> Self {
        // Every sixteen inputs are one more rounding of the sum, and always downwards.
        const MOST_SPLIT: usize = 2048;
        let half = kernels.precision == Precision::F16;
        let side = caps.on_matrix_units(kernels).filter(|_| half || inputs <= MOST_SPLIT);
        match (side, kernels.shape.unwrap_or(caps.shape)) {
            (Some(side), _) => Self::Matrix { side, split: !half },
            (None, Shape::Registers) => Self::Registers { half },
            (None, Shape::Tiled) => Self::Tiled { tile: tile(outputs), half },
        }
    }

    /// The one for codes over the same weights.
    pub(super) fn of_codes(self, inputs: usize) -> Self {
        match self {
            // `shaders/shared/stationary.wgsl` has room for sixteen matrices of weights.
            Self::Matrix { side: SIDE, split } if inputs <= if split { 128 } else { 256 } => {
                Self::Stationary { split }
            }
            _ => self,
        }
    }

    /// Rows and vec4s of outputs of a workgroup's tile.
    pub(super) fn tile(self) -> Option<(u32, u32)> {
        match self {
            Self::Registers { .. } => None,
            Self::Tiled { tile: Tile { across, down, rows4, columns4, .. }, .. } => {
                Some((4 * down * rows4, across * columns4))
            }
            // `DOWN` in `shaders/shared/matrix_split.wgsl` and `matrix_once.wgsl`.
            Self::Matrix { side, split } => Some((if split { 4 } else { 8 } * side, 2 * side)),
            Self::Stationary { .. } => Some((SIDE, 2 * SIDE)),
        }
    }

    /// Whether a workgroup holds a row's whole output.
    pub(super) fn holds(self, outputs: usize) -> bool {
        self.tile().is_some_and(|(_, columns4)| padded(outputs) / 4 <= columns4 as usize)
    }

    pub(super) fn grid(self, outputs: usize) -> Grid {
        let of = count(padded(outputs) / 4);
        match self.tile() {
            None => Grid::Line { workgroup: WORKGROUP, rows: REGISTER_ROWS, columns: of },
            Some((rows, columns)) => {
                let most = matches!(self, Self::Stationary { .. }).then_some(STRIDES);
                Grid::Tiles { rows, columns, of, most }
            }
        }
    }

    /// Iterations of a thread's loops in a product of so many inputs, at most.
    pub(super) fn iterations(self, inputs: usize) -> u64 {
        let inputs4 = padded(inputs) as u64 / 4;
        match self {
            Self::Registers { .. } => inputs4,
            Self::Tiled { tile: Tile { step4, .. }, .. } => {
                // A step's own, its inputs', and at most as many that fill the tiles.
                inputs4.div_ceil(step4.into()) * (1 + 8 * u64::from(step4))
            }
            // Where there are matrix units, loops are not limited.
            Self::Matrix { .. } | Self::Stationary { .. } => inputs4,
        }
    }

    pub(super) fn constants(self, inputs: usize, outputs: usize) -> Vec<(&'static str, f64)> {
        match self {
            Self::Registers { .. } => vec![("WORKGROUP", WORKGROUP.into())],
            Self::Tiled { tile: Tile { across, down, rows4, columns4, step4 }, .. } => [
                ("ACROSS", across),
                ("DOWN", down),
                ("ROWS4", rows4),
                ("COLUMNS4", columns4),
                ("STEP4", step4),
                ("TALL", 4 * down * rows4),
                ("X_SIZE", 4 * step4 * down * rows4),
                ("W_SIZE", 4 * step4 * across * columns4),
            ]
            .map(|(name, value)| (name, value.into()))
            .into(),
            Self::Matrix { side, .. } => {
                let [down, across] = blocks(side, [inputs, outputs]);
                vec![("BLOCKS_DOWN", down as f64), ("BLOCKS_ACROSS", across as f64)]
            }
            Self::Stationary { split } => {
                let [down, across] = blocks(SIDE, [inputs, outputs]);
                let stride = SIDE as usize * across + 8;
                vec![
                    ("BLOCKS_DOWN", down as f64),
                    ("BLOCKS_ACROSS", across as f64),
                    ("STRIDE", stride as f64),
                    ("X_VECTORS", (SIDE as usize * stride / 4) as f64),
                    ("HELD", if across > 8 { across / 2 } else { across } as f64),
                    ("SPLIT", f64::from(u8::from(split))),
                ]
            }
        }
    }
}

/// `BLOCKS_DOWN` and `BLOCKS_ACROSS` in `shaders/shared/matrix.wgsl`: whole steps of 32 inputs at
/// most, and two halves of whole pairs where stationary weights come in two.
pub(super) fn blocks(side: u32, [inputs, outputs]: [usize; 2]) -> [usize; 2] {
    let (side, step) = (side as usize, if inputs > 128 { 64 } else { 32 });
    [outputs.div_ceil(side), inputs.next_multiple_of(step) / side]
}
