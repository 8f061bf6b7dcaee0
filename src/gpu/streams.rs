//! Bit codes on the device: what reads them, and what searches for them.

use wgpu::Buffer;

use super::context::Gpu;
use super::kernel::{Binding, Source, Step, Variant};
use super::product::check_iterations;
use super::programs::resident;
use super::sources::source;
use super::walk::WORKGROUP;
use crate::bit_codes::{BitPlan, MAX_WIDTH, Window};
use crate::error::{Error, Result};
use crate::plan::{Grid, count, padded};

/// Rows to unit rows and norms.
const UNIT: Source = source!("unit": "shared/params", "shared/bits", "unit");
/// Latents to bit codes: each to its nearest level.
pub(super) const SCALAR: Source =
    source!("scalar": "shared/params", "shared/bits", "shared/search", "scalar");
/// The same through a trellis.
pub(super) const TRELLIS: Source =
    source!("trellis": "shared/params", "shared/bits", "shared/search", "trellis");

/// A bit plan on the device.
pub(super) struct Streams {
    /// For four latents each: ends and bits_per_latent, then steps.
    pub(super) latents: Buffer,
    /// One table after the other, by width.
    pub(super) tables: Buffer,
    pub(super) words: u32,
    pub(super) state_bits: u32,
}

impl Streams {
    pub(super) fn new(gpu: &Gpu, plan: &BitPlan) -> Result<Self> {
        let count4 = padded(plan.latents()) / 4;
        // Padding reads the first bit, and counts nothing: its step is zero.
        let mut latents = vec![[1 | 1 << 24, 0u32]; 4 * count4];
        let parts = plan.ends().iter().zip(plan.bits_per_latent()).zip(plan.steps());
        for (latent, ((end, width), step)) in latents.iter_mut().zip(parts) {
            *latent = [end | u32::from(*width) << 24, step.to_bits()];
        }
        let column = |four: &[[u32; 2]], at: usize| four.iter().map(|l| l[at]).collect::<Vec<_>>();
        let words: Vec<u32> = latents
            .chunks_exact(4)
            .flat_map(|four| [column(four, 0), column(four, 1)])
            .flatten()
            .collect();
        let table = |width: u8| {
            let mut table = plan.table(width).to_vec();
            table.resize(1 << plan.window().bits(width), 0.0);
            table
        };
        let tables: Vec<f32> = (1..=MAX_WIDTH as u8).flat_map(table).collect();
        Ok(Self {
            latents: resident(gpu, "vecodec.latents", bytemuck::cast_slice(&words))?,
            tables: resident(gpu, "vecodec.tables", &tables)?,
            words: code_words(plan),
            state_bits: plan.window().state_bits(),
        })
    }

    /// The step from latents to streams and scales.
    pub(super) fn search(
        &self,
        gpu: &Gpu,
        search: &Search<'_>,
        latents: Binding,
        decisions: Binding,
    ) -> Result<Step> {
        check_iterations(gpu, search.iterations())?;
        let required = search.memory_bytes();
        let available = gpu.device().limits().max_compute_workgroup_storage_size.into();
        if required > available {
            return Err(Error::Limit { what: "bytes of workgroup memory", required, available });
        }
        let plan = resident(gpu, "vecodec.plan", bytemuck::cast_slice(&search.latents()))?;
        let tables = match search.trellis {
            Some(_) => self.tables.clone(),
            None => resident(gpu, "vecodec.thresholds", &thresholds(search.plan))?,
        };
        let mut bindings = vec![Binding::Params, latents];
        bindings.extend([plan, tables].map(Binding::Resident));
        bindings.extend([Binding::Output(0), Binding::Output(1)]);
        let grid = match search.trellis {
            Some(Trellis { threads, .. }) => {
                bindings.push(decisions);
                Grid::Line { workgroup: threads, rows: 1, columns: threads }
            }
            None => Grid::Line { workgroup: WORKGROUP, rows: 1, columns: 1 },
        };
        Step::new(gpu, &search.variant(), bindings, grid)
    }
}

/// How streams are searched for: pure values.
pub(super) struct Search<'a> {
    plan: &'a BitPlan,
    has_row_scales: bool,
    trellis: Option<Trellis>,
}

/// How a workgroup shares a trellis, and where its decisions lie.
struct Trellis {
    state_bits: u32,
    threads: u32,
    /// For each latent, where a thread's decisions about it begin among its own, in bits.
    positions: Vec<u32>,
    /// Words of a thread's decisions.
    decision_words: u32,
}

impl<'a> Search<'a> {
    pub(super) fn new(plan: &'a BitPlan, has_row_scales: bool) -> Self {
        let trellis = match plan.window() {
            Window::Own => None,
            Window::Last(bits) => Some(Trellis::new(plan, bits)),
        };
        Self { plan, has_row_scales, trellis }
    }

    /// Bytes of a row's decisions.
    pub(super) fn decision_bytes(&self) -> u64 {
        let words = |t: &Trellis| u64::from(t.decision_words) * u64::from(t.threads);
        self.trellis.as_ref().map_or(0, |trellis| 4 * words(trellis))
    }

    /// Bytes of workgroup memory.
    fn memory_bytes(&self) -> u64 {
        self.trellis.as_ref().map_or(0, |trellis| 4 * u64::from(trellis.memory_words(self.plan)))
    }

    /// `Latent` in `shaders/shared/search.wgsl`, of each.
    fn latents(&self) -> Vec<[u32; 4]> {
        let parts = self.plan.ends().iter().zip(self.plan.bits_per_latent()).zip(self.plan.steps());
        let position = |i| self.trellis.as_ref().map_or(0, |trellis| trellis.positions[i]);
        let latent = |(i, ((end, width), step)): (usize, ((&u32, &u8), &f32))| {
            [*end, u32::from(*width), step.to_bits(), position(i)]
        };
        parts.enumerate().map(latent).collect()
    }

    pub(super) fn variant(&self) -> Variant {
        let words = code_words(self.plan);
        let mut constants = vec![
            ("LATENTS", f64::from(count(self.plan.latents()))),
            ("WORDS", f64::from(words)),
            ("KEEPS_SCALE", f64::from(u8::from(self.has_row_scales))),
        ];
        let source = match &self.trellis {
            None => {
                constants.push(("WORKGROUP", f64::from(WORKGROUP)));
                SCALAR
            }
            Some(trellis) => {
                let states = 1u32 << trellis.state_bits;
                constants.extend([
                    ("STATE_BITS", f64::from(trellis.state_bits)),
                    ("THREADS", f64::from(trellis.threads)),
                    ("OWNED", f64::from(states / 2 / trellis.threads)),
                    ("DECISION_WORDS", f64::from(trellis.decision_words)),
                    ("MEMORY", f64::from(trellis.memory_words(self.plan))),
                ]);
                TRELLIS
            }
        };
        Variant { source, constants }
    }

    /// Iterations of a thread's loops as software adapters count them: they pass once more through
    /// a loop than its body is to run, without effect, and so through every loop within.
    fn iterations(&self) -> u64 {
        let bits_per_latent = || self.plan.bits_per_latent().iter();
        let Some(trellis) = &self.trellis else {
            return 2 + bits_per_latent().map(|width| 2 + u64::from(*width)).sum::<u64>();
        };
        let (states, threads) = (1u64 << trellis.state_bits, u64::from(trellis.threads));
        let (owned, each) = (states / 2 / threads, states / threads);
        let latent = |width: &u8| {
            let groups = (states >> width).div_ceil(threads);
            1 + 4 * (owned + 1) + groups * ((1 << width) - 1) + each
        };
        let words = u64::from(code_words(self.plan)).div_ceil(threads);
        let ends = each + states + self.plan.latents() as u64 + words + 8;
        ends + bits_per_latent().map(latent).sum::<u64>()
    }
}

impl Trellis {
    fn new(plan: &BitPlan, state_bits: u32) -> Self {
        let (states, mut end) = (1 << state_bits, 0u32);
        let threads = threads(states);
        let position = |width: &u8| {
            let width = u32::from(*width);
            let bits = (states >> width).div_ceil(threads) * width;
            // A latent's decisions stand in one word.
            if end % 32 + bits > 32 {
                end = end.next_multiple_of(32);
            }
            let position = end;
            end += bits;
            position
        };
        let positions = plan.bits_per_latent().iter().map(position).collect();
        Self { state_bits, threads, positions, decision_words: end.div_ceil(32) }
    }

    /// A cost for every state, and afterwards the stream.
    fn memory_words(&self, plan: &BitPlan) -> u32 {
        code_words(plan).max(1 << self.state_bits)
    }
}

/// Threads of a workgroup that searches a trellis: a power of two, at most half the states, and
/// so many that none owns more than `MOST_OWNED` groups in `shaders/trellis.wgsl`. Two warps, or
/// wavefronts, for the usual 256 states: barriers are short, and rows many. It also suits
/// software adapters.
fn threads(states: u32) -> u32 {
    (states / 4).clamp(32, 256).min(states / 2)
}

/// Words of a row's stream.
fn code_words(plan: &BitPlan) -> u32 {
    count(padded(plan.code_bytes()) / 4)
}

/// What lies half way between the levels of each width, and a value of padding.
fn thresholds(plan: &BitPlan) -> Vec<f32> {
    let between = |width: u8| {
        let table = plan.table(width);
        let mut values: Vec<f32> = table.windows(2).map(|p| 0.5 * (p[0] + p[1])).collect();
        values.resize(1 << width, 0.0);
        values
    };
    (1..=MAX_WIDTH as u8).flat_map(between).collect()
}

/// The kernel that divides rows of this many vec4s by their norms.
pub(super) fn unit_rows(rows4: u64) -> Variant {
    let constants = vec![("INPUTS4", rows4 as f64), ("WORKGROUP", f64::from(WORKGROUP))];
    Variant { source: UNIT, constants }
}

/// The step from rows to unit rows and their norms.
pub(super) fn unit(
    gpu: &Gpu,
    rows4: u64,
    rows: Binding,
    units: Binding,
    norms: Binding,
) -> Result<Step> {
    check_iterations(gpu, 3 * rows4)?;
    let grid = Grid::Line { workgroup: WORKGROUP, rows: 1, columns: 1 };
    Step::new(gpu, &unit_rows(rows4), vec![Binding::Params, rows, units, norms], grid)
}
