//! Bit codes on the device: the data that kernels read them with, and the kernels that search for
//! them.

use super::shaders;
use super::tiling::WORKGROUP;
use super::{Binding, Kernel, Lhs, Resident};
use crate::bit_codes::{BitPlan, MAX_WIDTH, Window};
use crate::plan::{Grid, Section, count, padded};

/// How kernels read a plan's codes.
pub(crate) struct BitCodes<'a>(pub(crate) &'a BitPlan);

impl BitCodes<'_> {
    /// The codes as the left operand of a GEMM.
    pub(crate) fn lhs(&self) -> Lhs {
        Lhs::BitCodes { words: code_words(self.0), state_bits: self.0.window().state_bits() }
    }

    /// The data that the GEMM reads.
    pub(crate) fn residents(&self) -> [(Resident, Vec<u8>); 2] {
        [(Resident::BitLayout, self.layout()), (Resident::BitTables, self.tables())]
    }

    /// For four latents each: ends and numbers of bits, then steps.
    fn layout(&self) -> Vec<u8> {
        let plan = self.0;
        let count4 = padded(plan.latents()) / 4;
        // Padding reads the first bit and counts nothing, because its step is zero.
        let mut latents = vec![[1 | 1 << 24, 0u32]; 4 * count4];
        let fields = plan.ends().iter().zip(plan.bits_per_latent()).zip(plan.steps());
        for (latent, ((end, width), step)) in latents.iter_mut().zip(fields) {
            *latent = [end | u32::from(*width) << 24, step.to_bits()];
        }
        let (fours, _) = latents.as_chunks::<4>();
        let words: Vec<[[u32; 4]; 2]> = fours
            .iter()
            .map(|four| [four.map(|[bits, _]| bits), four.map(|[_, step]| step)])
            .collect();
        bytemuck::cast_slice(&words).to_vec()
    }

    /// One table after the other, by number of bits; zeros for numbers that no latent has.
    fn tables(&self) -> Vec<u8> {
        let table = |width: u8| {
            let mut table = self.0.table(width).to_vec();
            table.resize(1 << self.0.window().bits(width), 0.0);
            table
        };
        let tables: Vec<f32> = (1..=MAX_WIDTH as u8).flat_map(table).collect();
        bytemuck::cast_slice(&tables).to_vec()
    }
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
    /// For each latent, where a thread's decisions about it begin among its own, in bits.
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
    pub(crate) fn residents(&self) -> Vec<(Resident, Vec<u8>)> {
        let plan = bytemuck::cast_slice(&self.latents()).to_vec();
        let mut residents = vec![(Resident::SearchPlan, plan)];
        if self.trellis.is_none() {
            residents.push((Resident::Thresholds, thresholds(self.plan)));
        }
        residents
    }

    /// `Latent` in `shaders/bits/contract.wgsl` for each latent.
    fn latents(&self) -> Vec<[u32; 4]> {
        let plan = self.plan;
        let fields = plan.ends().iter().zip(plan.bits_per_latent()).zip(plan.steps());
        let position = |i| self.trellis.as_ref().map_or(0, |trellis| trellis.positions[i]);
        let latent = |(i, ((end, width), step)): (usize, ((&u32, &u8), &f32))| {
            [*end, u32::from(*width), step.to_bits(), position(i)]
        };
        fields.enumerate().map(latent).collect()
    }

    /// The kernel from latents to codes and scales.
    pub(crate) fn kernel(&self) -> Kernel {
        let tables = match self.trellis {
            Some(_) => Resident::BitTables,
            None => Resident::Thresholds,
        };
        let mut bindings = vec![Binding::Params, Binding::Section(Section::Latents)];
        bindings.extend([Resident::SearchPlan, tables].map(Binding::Resident));
        bindings.extend([Section::Scales, Section::Codes].map(Binding::Section));
        let mut constants = vec![
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
                ]);
                files.push(&shaders::BITS_TRELLIS);
                bindings.push(Binding::Section(Section::Decisions));
                ("search.trellis", threads, threads, 4 * u64::from(memory))
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
        let bits = || self.plan.bits_per_latent().iter();
        let Some(trellis) = &self.trellis else {
            return 2 + bits().map(|width| 2 + u64::from(*width)).sum::<u64>();
        };
        let (states, threads) = (1u64 << trellis.state_bits, u64::from(trellis.threads));
        let (owned, each) = (states / 2 / threads, states / threads);
        let latent = |width: &u8| {
            let groups = (states >> width).div_ceil(threads);
            1 + 4 * (owned + 1) + groups * ((1 << width) - 1) + each
        };
        let words = u64::from(code_words(self.plan)).div_ceil(threads);
        let ends = each + states + self.plan.latents() as u64 + words + 8;
        ends + bits().map(latent).sum::<u64>()
    }
}

impl Trellis {
    fn new(plan: &BitPlan, state_bits: u32) -> Self {
        let (states, mut end) = (1 << state_bits, 0u32);
        let threads = threads(states);
        let position = |width: &u8| {
            let width = u32::from(*width);
            let bits = (states >> width).div_ceil(threads) * width;
            // A latent's decisions do not cross a word.
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

/// For each number of bits, the values half way between its levels, then one value of padding.
fn thresholds(plan: &BitPlan) -> Vec<u8> {
    let between = |width: u8| {
        let table = plan.table(width);
        let mut values: Vec<f32> = table.windows(2).map(|p| 0.5 * (p[0] + p[1])).collect();
        values.resize(1 << width, 0.0);
        values
    };
    let values: Vec<f32> = (1..=MAX_WIDTH as u8).flat_map(between).collect();
    bytemuck::cast_slice(&values).to_vec()
}
