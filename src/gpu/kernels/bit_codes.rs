//! Bit codes on the device: the data that kernels read them with, and the kernels that search for
//! them.

use super::shaders;
use super::tiling::WORKGROUP;
use super::{Binding, Kernel, Lhs, Resident};
use crate::bit_codes::{
    BitPlan, LatentWindow, Symbol, Window, cost_scale, is_narrow, level_range, table_scale,
};
use crate::plan::{Grid, Section, count, padded};

/// How kernels read the codes of a model's regions. Their plans share the tables and have the same
/// bytes.
pub(crate) struct BitCodes<'a>(pub(crate) &'a [&'a BitPlan]);

impl BitCodes<'_> {
    /// The codes as the left operand of a GEMM.
    pub(crate) fn lhs(&self) -> Lhs {
        Lhs::BitCodes { words: code_words(self.0[0]), exact: self.0[0].tables().are_f16() }
    }

    /// The data that the GEMM reads.
    pub(crate) fn residents(&self) -> [(Resident, Vec<u8>); 2] {
        let tables = bytemuck::cast_slice(self.0[0].tables().entries()).to_vec();
        [(Resident::BitLayout, self.layout()), (Resident::BitTables, tables)]
    }

    /// For four latents of a region each: how their windows are read, then where their tables begin.
    fn layout(&self) -> Vec<u8> {
        let longest = padded(longest(self.0));
        // Padding reads the first bit and the first table, and counts nothing, because its weights are
        // zero.
        let mut latents = vec![[1 << 20, 0u32]; self.0.len() * longest];
        for (plan, latents) in self.0.iter().zip(latents.chunks_exact_mut(longest)) {
            for (latent, window) in latents.iter_mut().zip(plan.latent_windows()) {
                let LatentWindow { start, bits, missing, table } = window;
                *latent = [start | bits << 20 | missing << 24, table];
            }
        }
        let (fours, _) = latents.as_chunks::<4>();
        let words: Vec<[[u32; 4]; 2]> = fours
            .iter()
            .map(|four| [four.map(|[window, _]| window), four.map(|[_, table]| table)])
            .collect();
        bytemuck::cast_slice(&words).to_vec()
    }
}

/// `regions` in `shaders/bits/row_regions.wgsl`.
const REGIONS_BINDING: usize = 7;

/// `Symbol` in `shaders/bits/contract.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct SearchedSymbol {
    pub(crate) end: u32,
    pub(crate) bits: u32,
    pub(crate) latent: u32,
    pub(crate) latents: u32,
    pub(crate) tables: [u32; 2],
    pub(crate) stride: u32,
    pub(crate) position: u32,
    pub(crate) table_scales: [f32; 2],
    pub(crate) cost_scale: f32,
    pub(crate) narrow: u32,
    pub(crate) low: [i32; 2],
    pub(crate) high: [i32; 2],
    pub(crate) max_slopes: [i32; 2],
    pub(crate) shifts: [u32; 2],
    pub(crate) limits: [f32; 2],
    pub(crate) last_stride: u32,
    padding: u32,
}

/// How bit codes are searched for.
pub(crate) struct Search<'a> {
    /// The plan of each region.
    plans: &'a [&'a BitPlan],
    stores_norms: bool,
    trellis: Option<Trellis>,
}

/// How threads share a trellis, and where its decisions are stored.
struct Trellis {
    state_bits: u32,
    /// Threads of a row: a workgroup, or a subgroup.
    threads: u32,
    by_subgroup: bool,
    /// For each symbol of each region, where a thread's decisions about it begin among its own, in bits.
    positions: Vec<Vec<u32>>,
    /// Words of a thread's decisions.
    decision_words: u32,
}

impl<'a> Search<'a> {
    /// `subgroup` is the number of lanes of every subgroup, where the adapter has such.
    pub(crate) fn new(plans: &'a [&'a BitPlan], stores_norms: bool, subgroup: Option<u32>) -> Self {
        let trellis = match plans[0].window() {
            Window::Own => None,
            Window::Last(bits) => Some(Trellis::new(plans, bits, subgroup)),
        };
        Self { plans, stores_norms, trellis }
    }

    /// Symbols of the region that has most of them.
    fn most_symbols(&self) -> usize {
        self.plans.iter().map(|plan| plan.symbols().len()).max().unwrap_or(0)
    }

    /// Bytes of a row's decisions; none where there is no trellis.
    pub(crate) fn decision_bytes(&self) -> Option<u64> {
        let words = |t: &Trellis| u64::from(t.decision_words) * u64::from(t.threads);
        self.trellis.as_ref().map(|trellis| 4 * words(trellis))
    }

    /// The data that the search reads beside the tables of [`BitCodes`].
    pub(crate) fn resident(&self) -> (Resident, Vec<u8>) {
        let (mut all, max_symbols) = (vec![], self.most_symbols());
        for region in 0..self.plans.len() {
            all.extend(self.symbols(region));
            // A symbol without bits.
            let limits = [f32::MAX; 2];
            let padding = SearchedSymbol { latents: 1, limits, ..SearchedSymbol::default() };
            all.resize((region + 1) * max_symbols, padding);
        }
        (Resident::SearchPlan, bytemuck::cast_slice(&all).to_vec())
    }

    fn symbols(&self, region: usize) -> Vec<SearchedSymbol> {
        let plan = self.plans[region];
        let cost_scale = cost_scale(plan);
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
                last_stride: plan.last_stride(),
                limits: both(&|latent| plan.limits()[symbol.latent + latent]),
                ..SearchedSymbol::default()
            };
            if let Some(trellis) = &self.trellis
                && plan.window().is_trellis(rate)
            {
                let range = |latent| level_range(plan, symbol, latent, cost_scale);
                searched.table_scales =
                    both(&|latent| table_scale(plan, symbol.latent + latent, cost_scale));
                let ranges = [range(0), range(second)];
                searched.low = ranges.map(|range| range.lowest);
                searched.high = ranges.map(|range| range.highest);
                searched.max_slopes = ranges.map(|range| range.max_slope);
                searched.shifts = ranges.map(|range| range.shift as u32);
                searched.stride = plan.stride(number);
                searched.position = trellis.positions[region][number];
                searched.cost_scale = cost_scale;
                searched.narrow = (is_narrow(&ranges) && tables.are_f16()).into();
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
            ("SYMBOLS", f64::from(count(self.most_symbols()))),
            ("LATENTS", f64::from(count(longest(self.plans)))),
            ("CODE_WORDS", f64::from(code_words(self.plans[0]))),
            ("STORES_NORMS", f64::from(u8::from(self.stores_norms))),
        ];
        let mut files = vec![&shaders::PARAMS, &shaders::FLOAT_BITS, &shaders::BITS];
        let (name, columns, workgroup_size, workgroup_bytes) = match &self.trellis {
            None => {
                constants.push(("WORKGROUP", f64::from(WORKGROUP)));
                files.push(&shaders::BITS_SCALAR);
                ("search.scalar", 1, WORKGROUP, 0)
            }
            Some(trellis) if trellis.by_subgroup => {
                let &Trellis { state_bits, threads, decision_words, .. } = trellis;
                let workgroup = SUBGROUPS_SIZE.max(threads);
                constants.extend([
                    ("STATE_BITS", f64::from(state_bits)),
                    ("WORKGROUP", f64::from(workgroup)),
                    ("DECISION_WORDS", f64::from(decision_words)),
                ]);
                files.push(&shaders::BITS_TRELLIS_SUBGROUP);
                bindings.push(Binding::Section(Section::Decisions));
                ("search.trellis.subgroup", threads, workgroup, 0)
            }
            Some(trellis) => {
                let &Trellis { state_bits, threads, decision_words, .. } = trellis;
                let memory = trellis.memory_words(self.plans[0]);
                constants.extend([
                    ("STATE_BITS", f64::from(state_bits)),
                    ("THREADS", f64::from(threads)),
                    ("OWNED", f64::from((1u32 << state_bits) / 2 / threads)),
                    ("DECISION_WORDS", f64::from(decision_words)),
                    ("MEMORY", f64::from(memory)),
                ]);
                files.push(&shaders::BITS_TRELLIS);
                bindings.push(Binding::Section(Section::Decisions));
                ("search.trellis", threads, threads, 4 * u64::from(memory) + 8)
            }
        };
        if self.trellis.is_some() {
            files.extend([&shaders::BITS_COSTS, &shaders::BITS_TRACE_BACK]);
        }
        let mut name = name.to_owned();
        files.push(match self.plans.len() {
            1 => &shaders::ONE_REGION,
            _ => {
                name += ".by_region";
                bindings.resize(REGIONS_BINDING, Binding::Unused);
                bindings.push(Binding::Section(Section::Regions));
                &shaders::ROW_REGIONS
            }
        });
        Kernel {
            name,
            files,
            constants,
            bindings,
            grid: Grid::of_rows(workgroup_size, columns),
            loop_iterations: self.loop_iterations(),
            workgroup_bytes,
        }
    }

    /// Iterations of a thread's loops, in the region that takes most.
    fn loop_iterations(&self) -> u64 {
        self.plans.iter().map(|plan| self.loop_iterations_of(plan)).max().unwrap_or(0)
    }

    /// As software adapters count them: a loop counts one pass more than its body runs, and with it
    /// every loop inside.
    fn loop_iterations_of(&self, plan: &BitPlan) -> u64 {
        let symbols = || plan.symbols().iter();
        let words = u64::from(code_words(plan));
        let Some(trellis) = &self.trellis else {
            let bits = symbols().map(|symbol| 2 + u64::from(symbol.rate.bits()));
            return 3 + words + bits.sum::<u64>();
        };
        let (states, threads) = (1u64 << trellis.state_bits, u64::from(trellis.threads));
        if trellis.by_subgroup {
            let bits = symbols().map(|symbol| 5 + u64::from(symbol.rate.bits()));
            return 8 + 3 * words + bits.sum::<u64>();
        }
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
        let ends = each + states + 2 * plan.symbols().len() as u64 + 3 * words + 8;
        ends + symbols().map(symbol).sum::<u64>()
    }
}

impl Trellis {
    fn new(plans: &[&BitPlan], state_bits: u32, subgroup: Option<u32>) -> Self {
        let states = 1 << state_bits;
        let by_subgroup = subgroup
            .is_some_and(|lanes| lanes >= LEAST_LANES && lanes * STATES_OF_A_LANE == states);
        let threads = if by_subgroup { states / STATES_OF_A_LANE } else { threads(states) };
        let mut decision_words = 1;
        let mut positions_of = |plan: &BitPlan| {
            let mut end = 0u32;
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
            decision_words = end.div_ceil(32).max(decision_words);
            positions
        };
        let positions = plans.iter().map(|plan| positions_of(plan)).collect();
        Self { state_bits, threads, by_subgroup, positions, decision_words }
    }

    /// A cost for every state, and in the end the code.
    fn memory_words(&self, plan: &BitPlan) -> u32 {
        code_words(plan).max(1 << self.state_bits)
    }
}

/// States of a lane (`OWNED` in `shaders/bits/trellis_subgroup.wgsl`).
const STATES_OF_A_LANE: u32 = 8;
/// A lane takes the best states of four neighbouring lanes.
const LEAST_LANES: u32 = 4;
/// Threads of a workgroup whose subgroups search for the codes of a row each.
const SUBGROUPS_SIZE: u32 = 128;

/// Threads of a workgroup that searches a trellis: a power of two, at most half the states, and enough
/// that each thread owns at most `MAX_OWNED` groups (see `shaders/bits/trellis.wgsl`). The usual 256
/// states take 64 threads: two warps or one wavefront. Small workgroups have short barriers, and many
/// of them run at once. They also suit software adapters.
fn threads(states: u32) -> u32 {
    (states / 4).clamp(32, 256).min(states / 2)
}

/// Latents of the region that has most of them.
fn longest(plans: &[&BitPlan]) -> usize {
    plans.iter().map(|plan| plan.latents()).max().unwrap_or(0)
}

/// Words of a row's code.
fn code_words(plan: &BitPlan) -> u32 {
    count(padded(plan.code_bytes()) / 4)
}
