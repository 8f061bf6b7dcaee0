//! How a matrix multiplication is divided among workgroups and threads.

use super::super::device::Caps;
use crate::plan::{Grid, Items, count, padded};

/// Threads of a one-dimensional workgroup.
pub(super) const WORKGROUP: u32 = 64;
/// `TILE_M` in `shaders/gemm/register_blocked.wgsl`.
pub(super) const REGISTER_ROWS: u32 = 12;
/// `SIDE` in `shaders/gemm/coop_16x16.wgsl`.
pub(super) const SIDE: u32 = 16;
/// The most workgroups that share the row tiles of a weight-stationary GEMM: enough for a large GPU,
/// and few enough that loading the weights is a small share of their work. A case in
/// `tests/it/shapes.rs` has more rows than three rounds of them take.
const MAX_ROW_GROUPS: u32 = 512;

/// Threads of a workgroup over rows, and threads of a row: with `shared` 16 read a row together, which
/// does not help a software adapter.
pub(super) fn row_lanes(shared: bool) -> (u32, u32) {
    if shared { (4 * WORKGROUP, 16) } else { (WORKGROUP, 1) }
}

/// How the kernels divide a matrix multiplication, where the caller decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tiling {
    /// In registers alone, without barriers: several times faster on software adapters.
    RegisterBlocked,
    /// Through workgroup memory: for GPUs.
    Tiled,
}

/// What the kernels calculate with, beyond the adapter's own choice.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KernelOptions {
    pub(crate) tiling: Option<Tiling>,
    pub(crate) precision: Precision,
}

/// What a GPU's kernels multiply. Sums are f32 either way, and so is the CPU engine's work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precision {
    /// f32, or as exact as f32: on cooperative matrices of 16 x 16, which are several times faster,
    /// each operand is split into a high and a low f16 part, up to 2,048 inputs. Weights below 2^-16
    /// of a layer's largest lose digits there.
    #[default]
    F32,
    /// Weights, rows and latents rounded to f16, on cooperative matrices where the adapter has them;
    /// elsewhere only weights are rounded. Codes are exact in f16. Errors are of the order of 2^-11
    /// of a row's norm. Values of rows beyond 65,504 overflow, and values below 6e-5 lose digits.
    F16,
}

impl KernelOptions {
    /// Rows and columns of the cooperative matrices that these kernels use, if they use any.
    pub(crate) fn coop_side(self, caps: &Caps) -> Option<u32> {
        // Apple's matrices multiply f16 no faster than f32, and a split f32 takes three of the four
        // partial products.
        let fast = |side: &u32| self.precision == Precision::F16 || *side == SIDE;
        caps.coop_side.filter(|side| self.tiling.is_none() && fast(side))
    }
}

/// Threads of a workgroup, blocks of 4 rows x 4 outputs of a thread, and vec4s of inputs of a step:
/// the overrides of `shaders/gemm/tiled.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    pub(super) threads_n: u32,
    pub(super) threads_m: u32,
    pub(super) blocks_m: u32,
    pub(super) blocks_n: u32,
    pub(super) tile_k4: u32,
}

impl Tile {
    /// The tile of a GEMM with `outputs` outputs. It fits the 16 KiB of workgroup memory and the 256
    /// threads that every device has.
    pub(super) fn new(outputs: usize) -> Self {
        // Measured on an H200 at 768 -> 128, in million rows per second: 8 x 4 values per thread
        // decode 196, 4 x 8 encode 168, and 8 x 8 decode 176.
        let default_tile =
            Self { threads_n: 16, threads_m: 16, blocks_m: 2, blocks_n: 1, tile_k4: 4 };
        match outputs {
            // Wide enough for the whole latent.
            65..=128 => Self { blocks_m: 1, blocks_n: 2, ..default_tile },
            _ => default_tile,
        }
    }

    fn lhs_size(self) -> u32 {
        4 * self.tile_k4 * self.threads_m * self.blocks_m
    }

    fn rhs_size(self) -> u32 {
        4 * self.tile_k4 * self.threads_n * self.blocks_n
    }

    fn rows(self) -> u32 {
        4 * self.threads_m * self.blocks_m
    }
}

/// How a GEMM is divided. With `f16_weights`, weights are stored as f16 and multiplied as f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GemmTiling {
    RegisterBlocked {
        f16_weights: bool,
    },
    Tiled {
        tile: Tile,
        f16_weights: bool,
    },
    /// On cooperative matrices of `side` x `side`. Operands are rounded to f16, or `split` into a
    /// high and a low f16 part.
    Coop {
        side: u32,
        split: bool,
    },
    /// On cooperative matrices of 16 x 16, for bit codes whose values are exact in f16. Weights are split.
    ExactLhs,
    /// For codes, on cooperative matrices of 16 x 16: weights stay in registers while rows pass.
    WeightStationary {
        split: bool,
    },
}

impl GemmTiling {
    /// The tiling of a GEMM whose left operand is rows or latents.
    pub(crate) fn new(caps: &Caps, options: KernelOptions, [inputs, outputs]: [usize; 2]) -> Self {
        // Each 16-wide matrix multiply-add truncates the accumulator once, so the error grows with
        // the inputs.
        const MAX_SPLIT_INPUTS: usize = 2048;
        let f16_weights = options.precision == Precision::F16;
        let side = options.coop_side(caps).filter(|_| f16_weights || inputs <= MAX_SPLIT_INPUTS);
        let own = if caps.software { Tiling::RegisterBlocked } else { Tiling::Tiled };
        match (side, options.tiling.unwrap_or(own)) {
            (Some(side), _) => Self::Coop { side, split: !f16_weights },
            (None, Tiling::RegisterBlocked) => Self::RegisterBlocked { f16_weights },
            (None, Tiling::Tiled) => Self::Tiled { tile: Tile::new(outputs), f16_weights },
        }
    }

    /// The tiling of a GEMM whose left operand is 8-bit codes. It reads weights in the layout of
    /// `self`.
    pub(super) fn for_codes(self, inputs: usize) -> Self {
        match self {
            // `shaders/gemm/coop_weight_stationary.wgsl` has room for sixteen matrices of weights.
            Self::Coop { side: SIDE, split } if inputs <= if split { 128 } else { 256 } => {
                Self::WeightStationary { split }
            }
            _ => self,
        }
    }

    /// The tiling of a GEMM whose left operand is bit codes, whose values f16 holds exactly. It reads weights
    /// in the layout of `self`.
    pub(crate) fn for_exact_lhs(self, inputs: usize) -> Self {
        // `shaders/gemm/coop_f16.wgsl` truncates its sum twice for each matrix of inputs. Longer sums are
        // those of `coop_2xf16.wgsl`, whose values need not be exact.
        const MAX_EXACT_INPUTS: usize = 1024;
        match self {
            Self::Coop { side: SIDE, split: true } if inputs <= MAX_EXACT_INPUTS => Self::ExactLhs,
            _ => self,
        }
    }

    /// The tiling's part of a kernel's name.
    pub(super) fn name(self) -> String {
        match self {
            Self::RegisterBlocked { .. } => "register_blocked".to_owned(),
            Self::Tiled { .. } => "tiled".to_owned(),
            Self::Coop { side, .. } => format!("coop{side}"),
            Self::ExactLhs => format!("coop{SIDE}_exact"),
            Self::WeightStationary { .. } => format!("coop{SIDE}_stationary"),
        }
    }

    /// The format of the operands, as a part of a kernel's name.
    pub(super) fn operands(self) -> &'static str {
        match self {
            Self::RegisterBlocked { f16_weights } | Self::Tiled { f16_weights, .. } => {
                if f16_weights {
                    "f16"
                } else {
                    "f32"
                }
            }
            Self::ExactLhs => "2xf16",
            Self::Coop { split, .. } | Self::WeightStationary { split } => {
                if split {
                    "2xf16"
                } else {
                    "f16"
                }
            }
        }
    }

    /// Rows and vec4s of outputs of a workgroup's tile, where workgroups have tiles.
    pub(super) fn tile(self) -> Option<(u32, u32)> {
        match self {
            Self::RegisterBlocked { .. } => None,
            Self::Tiled { tile, .. } => Some((tile.rows(), tile.threads_n * tile.blocks_n)),
            // `BLOCKS_M` in `shaders/gemm/coop_2xf16.wgsl` and `coop_f16.wgsl`.
            Self::Coop { side, split } => Some((if split { 4 } else { 8 } * side, 2 * side)),
            Self::ExactLhs => Some((8 * SIDE, 2 * SIDE)),
            Self::WeightStationary { .. } => Some((SIDE, 2 * SIDE)),
        }
    }

    /// Whether a workgroup's tile holds a row's whole output.
    pub(crate) fn holds(self, outputs: usize) -> bool {
        self.tile().is_some_and(|(_, columns4)| padded(outputs) / 4 <= columns4 as usize)
    }

    /// Rows of a tile.
    pub(crate) fn tile_rows(self) -> u32 {
        self.tile().map_or(REGISTER_ROWS, |(rows, _)| rows)
    }

    pub(super) fn grid(self, outputs: usize, items: Items) -> Grid {
        let total_columns = count(padded(outputs) / 4);
        match self.tile() {
            None => Grid::Threads {
                workgroup_size: WORKGROUP,
                tile_rows: REGISTER_ROWS,
                columns: total_columns,
                items,
            },
            Some((tile_rows, tile_columns)) => {
                let stationary = matches!(self, Self::WeightStationary { .. });
                let max_row_groups = stationary.then_some(MAX_ROW_GROUPS);
                Grid::Tiles { tile_rows, tile_columns, total_columns, max_row_groups, items }
            }
        }
    }

    /// The most iterations of a thread's loops in a GEMM with `inputs` inputs.
    pub(super) fn loop_iterations(self, inputs: usize) -> u64 {
        let inputs4 = padded(inputs) as u64 / 4;
        match self {
            Self::RegisterBlocked { .. } => inputs4,
            Self::Tiled { tile: Tile { tile_k4, .. }, .. } => {
                // A step itself, its inputs, and at most as many again that fill the tiles.
                inputs4.div_ceil(tile_k4.into()) * (1 + 8 * u64::from(tile_k4))
            }
            // No adapter with cooperative matrices limits loops.
            Self::Coop { .. } | Self::ExactLhs | Self::WeightStationary { .. } => inputs4,
        }
    }

    /// Bytes of workgroup memory, at most.
    pub(super) fn workgroup_bytes(self) -> u64 {
        match self {
            Self::RegisterBlocked { .. } => 0,
            // Vectors of f32, and the largest magnitude of each row where latents are quantised.
            Self::Tiled { tile, .. } => {
                u64::from(16 * (tile.lhs_size() + tile.rhs_size()) + 4 * tile.rows())
            }
            Self::Coop { .. } | Self::ExactLhs | Self::WeightStationary { .. } => {
                super::super::device::COOP_TILE_BYTES.into()
            }
        }
    }

    pub(super) fn constants(self, inputs: usize, outputs: usize) -> Vec<(&'static str, f64)> {
        match self {
            Self::RegisterBlocked { .. } => vec![("WORKGROUP", WORKGROUP.into())],
            Self::Tiled { tile, .. } => [
                ("THREADS_N", tile.threads_n),
                ("THREADS_M", tile.threads_m),
                ("BLOCKS_M", tile.blocks_m),
                ("BLOCKS_N", tile.blocks_n),
                ("TILE_K4", tile.tile_k4),
                ("TILE_M", tile.rows()),
                ("LHS_TILE_SIZE", tile.lhs_size()),
                ("RHS_TILE_SIZE", tile.rhs_size()),
            ]
            .map(|(name, value)| (name, value.into()))
            .into(),
            Self::Coop { side, .. } => coop_constants(side, [inputs, outputs]),
            Self::ExactLhs => coop_constants(SIDE, [inputs, outputs]),
            Self::WeightStationary { split } => {
                let [blocks_n, blocks_k] = rhs_blocks(SIDE, [inputs, outputs]);
                let stride = SIDE as usize * blocks_k + 8;
                let panel_k = if blocks_k > 8 { blocks_k / 2 } else { blocks_k };
                vec![
                    ("RHS_BLOCKS_N", blocks_n as f64),
                    ("RHS_BLOCKS_K", blocks_k as f64),
                    ("LHS_STRIDE", stride as f64),
                    ("LHS_TILE_VECTORS", (SIDE as usize * stride / 4) as f64),
                    ("PANEL_K", panel_k as f64),
                    ("SPLIT", f64::from(u8::from(split))),
                ]
            }
        }
    }
}

fn coop_constants(side: u32, shape: [usize; 2]) -> Vec<(&'static str, f64)> {
    let [blocks_n, blocks_k] = rhs_blocks(side, shape);
    vec![("RHS_BLOCKS_N", blocks_n as f64), ("RHS_BLOCKS_K", blocks_k as f64)]
}

/// Matrices of weights along the outputs and along the inputs: `RHS_BLOCKS_N` and `RHS_BLOCKS_K` in
/// `shaders/gemm/coop.wgsl`. Inputs fill whole steps of 32, and where stationary weights may come in
/// two panels of whole pairs, whole steps of 64.
pub(super) fn rhs_blocks(side: u32, [inputs, outputs]: [usize; 2]) -> [usize; 2] {
    let (side, step) = (side as usize, if inputs > 128 { 64 } else { 32 });
    [outputs.div_ceil(side), inputs.next_multiple_of(step) / side]
}
