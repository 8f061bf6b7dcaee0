//! Bit codes on the device: the data that kernels read them with, and the kernels that search for
//! them.

use super::shaders;
use super::tiling::WORKGROUP;
use super::{Binding, Kernel, Lhs, Resident};
use crate::bit_codes::{BitPlan, LatentWindow, Symbol, Window, cost_scale, level_range};
use crate::plan::{Grid, Section, count, padded};

/// How kernels read a plan's codes.
pub(crate) struct BitCodes<'a>(pub(crate) &'a BitPlan);

impl BitCodes<'_> {
    /// The codes as the left operand of a GEMM.
    pub(crate) fn lhs(&self) -> Lhs {
        Lhs::BitCodes { words: code_words(self.0), exact: self.0.tables().are_f16() }
    }

    /// The data that the GEMM reads.
    pub(crate) fn residents(&self) -> [(Resident, Vec<u8>); 2] {
        let tables = bytemuck::cast_slice(self.0.tables().entries()).to_vec();
        [(Resident::BitLayout, self.layout()), (Resident::BitTables, tables)]
    }

    /// For four latents each: how their windows are read, then where their tables begin.
    fn layout(&self) -> Vec<u8> {
        let plan = self.0;
        // Padding reads the first bit and the first table, and counts nothing, because its weights are
        // zero.
        let mut latents = vec![[1 << 20, 0u32]; padded(plan.latents())];
        for (latent, window) in latents.iter_mut().zip(plan.latent_windows()) {
            let LatentWindow { start, bits, missing, table } = window;
            *latent = [start | bits << 20 | missing << 24, table];
        }
        let (fours, _) = latents.as_chunks::<4>();
        let words: Vec<[[u32; 4]; 2]> = fours
            .iter()
            .map(|four| [four.map(|[window, _]| window), four.map(|[_, table]| table)])
            .collect();
        bytemuck::cast_slice(&words).to_vec()
    }
}

/// `Symbol` in `shaders/bits/contract.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct SearchedSymbol {
    pub(crate) end: u32,
    pub(crate) bits: u32,
    pub(crate) latent: u32,
    pub(crate) latents: u32,
    pub(crate) tables: [u32; 2],
    pub(crate) table_scales: [f32; 2],
    pub(crate) low: [i32; 2],
    pub(crate) high: [i32; 2],
    pub(crate) max_slopes: [i32; 2],
    pub(crate) shifts: [u32; 2],
    pub(crate) stride: u32,
    pub(crate) position: u32,
    pub(crate) cost_scale: f32,
    pub(crate) padding: u32,
}

/// How bit codes are searched for.
pub(crate) struct Search<'a> {
    plan: &'a BitPlan,
    stores_norms: bool,
    trellis: Option<Trellis>,
}

/// How a workgroup shares a trellis, and where its decisions are stored.
struct Trellis {
    state_bits: u32,
    threads: u32,
    /// For each symbol, where a thread's decisions about it begin among its own, in bits.
    positions: Vec<u32>,
    /// Words of a thread's decisions.
    decision_words: u32,
}

impl<'a> Search<'a> {
    pub(crate) fn new(plan: &'a BitPlan, stores_norms: bool) -> Self {
        let trellis = match plan.window() {
            Window::Own => None,
            Window::Last(bits) => Some(Trellis::new(plan, bits)),
        };
        Self { plan, stores_norms, trellis }
    }

    /// Bytes of a row's decisions; none where there is no trellis.
    pub(crate) fn decision_bytes(&self) -> Option<u64> {
        let words = |t: &Trellis| u64::from(t.decision_words) * u64::from(t.threads);
        self.trellis.as_ref().map(|trellis| 4 * words(trellis))
    }

    /// The data that the search reads beside the tables of [`BitCodes`].
    pub(crate) fn resident(&self) -> (Resident, Vec<u8>) {
        (Resident::SearchPlan, bytemuck::cast_slice(&self.symbols()).to_vec())
    }

    fn symbols(&self) -> Vec<SearchedSymbol> {
        let (plan, cost_scale) = (self.plan, cost_scale(self.plan));
        let symbol = |(number, symbol): (usize, &Symbol)| {
            let (rate, tables) = (symbol.rate, plan.tables());
            let second = rate.latents() - 1;
            let both = |value: &dyn Fn(usize) -> f32| [value(0), value(second)];
            let step = |latent: usize| plan.steps()[symbol.latent + latent];
            let mut searched = SearchedSymbol {
                end: symbol.end,
                bits: rate.bits(),
                latent: count(symbol.latent),
                latents: count(rate.latents()),
                tables: [0, second].map(|latent| count(tables.start(rate, latent))),
                table_scales: both(&step),
                ..SearchedSymbol::default()
            };
            if let Some(trellis) = &self.trellis
                && plan.window().is_trellis(rate)
            {
                let range = |latent| level_range(plan, symbol, latent, cost_scale);
                searched.table_scales = both(&|latent| step(latent) * cost_scale);
                let ranges = [range(0), range(second)];
                searched.low = ranges.map(|range| range.lowest);
                searched.high = ranges.map(|range| range.highest);
                searched.max_slopes = ranges.map(|range| range.max_slope);
                searched.shifts = ranges.map(|range| range.shift as u32);
                searched.stride = plan.stride(number);
                searched.position = trellis.positions[number];
                searched.cost_scale = cost_scale;
            }
            searched
        };
        plan.symbols().iter().enumerate().map(symbol).collect()
    }

    /// The kernel from latents to codes and scales.
    pub(crate) fn kernel(&self) -> Kernel {
        let mut bindings = vec![Binding::Params, Binding::Section(Section::Latents)];
        bindings.extend([Resident::SearchPlan, Resident::BitTables].map(Binding::Resident));
        bindings.extend([Section::Scales, Section::Codes].map(Binding::Section));
        let mut constants = vec![
            ("SYMBOLS", f64::from(count(self.plan.symbols().len()))),
            ("LATENTS", f64::from(count(self.plan.latents()))),
            ("CODE_WORDS", f64::from(code_words(self.plan))),
            ("STORES_NORMS", f64::from(u8::from(self.stores_norms))),
        ];
        let mut files = vec![&shaders::PARAMS, &shaders::FLOAT_BITS, &shaders::BITS];
        let (name, columns, workgroup_size, workgroup_bytes) = match &self.trellis {
            None => {
                constants.push(("WORKGROUP", f64::from(WORKGROUP)));
                files.push(&shaders::BITS_SCALAR);
                ("search.scalar", 1, WORKGROUP, 0)
            }
            Some(trellis) => {
                let &Trellis { state_bits, threads, decision_words, .. } = trellis;
                let memory = trellis.memory_words(self.plan);
                constants.extend([
                    ("STATE_BITS", f64::from(state_bits)),
                    ("THREADS", f64::from(threads)),
                    ("OWNED", f64::from((1u32 << state_bits) / 2 / threads)),
                    ("DECISION_WORDS", f64::from(decision_words)),
                    ("MEMORY", f64::from(memory)),
                    ("LAST_STRIDE", f64::from(self.plan.last_stride())),
                ]);
                files.push(&shaders::BITS_TRELLIS);
                bindings.push(Binding::Section(Section::Decisions));
                ("search.trellis", threads, threads, 4 * u64::from(memory) + 8)
            }
        };
        Kernel {
            name: name.to_owned(),
            files,
            constants,
            bindings,
            grid: Grid::Threads { workgroup_size, rows_per_thread: 1, columns },
            loop_iterations: self.loop_iterations(),
            workgroup_bytes,
        }
    }

    /// Iterations of a thread's loops as software adapters count them: a loop counts one pass more
    /// than its body runs, and with it every loop inside.
    fn loop_iterations(&self) -> u64 {
        let symbols = || self.plan.symbols().iter();
        let words = u64::from(code_words(self.plan));
        let Some(trellis) = &self.trellis else {
            let bits = symbols().map(|symbol| 2 + u64::from(symbol.rate.bits()));
            return 3 + words + bits.sum::<u64>();
        };
        let (states, threads) = (1u64 << trellis.state_bits, u64::from(trellis.threads));
        let (owned, each) = (states / 2 / threads, states / threads);
        let symbol = |symbol: &Symbol| {
            let bits = symbol.rate.bits();
            if bits > trellis.state_bits {
                return 2 + u64::from(bits);
            }
            let groups = (states >> bits).div_ceil(threads);
            1 + 4 * (owned + 1) + groups * ((1 << bits) - 1) + each
        };
        // Tracing back has a loop over the words that it skips.
        let ends = each + states + 2 * self.plan.symbols().len() as u64 + 3 * words + 8;
        ends + symbols().map(symbol).sum::<u64>()
    }
}

impl Trellis {
    fn new(plan: &BitPlan, state_bits: u32) -> Self {
        let (states, mut end) = (1 << state_bits, 0u32);
        let threads = threads(states);
        let position = |symbol: &Symbol| {
            let width = symbol.rate.bits();
            if width > state_bits {
                return end;
            }
            let bits = (states >> width).div_ceil(threads) * width;
            // A symbol's decisions do not cross a word.
            if end % 32 + bits > 32 {
                end = end.next_multiple_of(32);
            }
            let position = end;
            end += bits;
            position
        };
        let positions = plan.symbols().iter().map(position).collect();
        Self { state_bits, threads, positions, decision_words: end.div_ceil(32).max(1) }
    }

    /// A cost for every state, and in the end the code.
    fn memory_words(&self, plan: &BitPlan) -> u32 {
        code_words(plan).max(1 << self.state_bits)
    }
}

/// Threads of a workgroup that searches a trellis: a power of two, at most half the states, and enough
/// that each thread owns at most `MAX_OWNED` groups (see `shaders/bits/trellis.wgsl`). The usual 256
/// states take 64 threads: two warps or one wavefront. Small workgroups have short barriers, and many
/// of them run at once. They also suit software adapters.
fn threads(states: u32) -> u32 {
    (states / 4).clamp(32, 256).min(states / 2)
}

/// Words of a row's code.
fn code_words(plan: &BitPlan) -> u32 {
    count(padded(plan.code_bytes()) / 4)
}
