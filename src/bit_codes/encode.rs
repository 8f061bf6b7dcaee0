//! Rows of latents to bit codes and back.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use super::plan::{Layout, Plan};
use super::rates::Rate;
use super::search::{self, Steps};
use super::tables::Rounded;
use super::unpack::Unpacker;
use super::{Tables, scalar};
use crate::error::Result;

/// A plan, and what the CPU derives from it.
#[derive(Clone, Debug)]
pub(crate) struct BitPlan {
    plan: Plan,
    /// Derived when rows are first encoded.
    steps: Arc<OnceLock<Steps>>,
    /// Derived when rows are first decoded.
    unpacker: Arc<OnceLock<Unpacker>>,
}

/// Memory for unpacking, used again for the next row.
#[derive(Default)]
pub(crate) struct PaddedRow(Vec<u8>);

impl BitPlan {
    /// Checks and completes a plan: the rate of each symbol in order, and the step of each latent.
    /// The first symbol's bits begin at bit `first_bit`. A row has `code_bytes` bytes, or as many as
    /// its symbols need.
    pub(crate) fn new(
        tables: Arc<Tables>,
        layout: Layout,
        rates: &[Rate],
        steps: Vec<f32>,
        first_bit: u32,
        code_bytes: Option<usize>,
    ) -> Result<Self> {
        Plan::new(tables, layout, rates, steps, first_bit, code_bytes).map(Self::from)
    }

    /// The same symbols with other tables and steps.
    #[cfg(feature = "fit")]
    pub(super) fn with_tables(&self, tables: Arc<Tables>, steps: Vec<f32>) -> Result<Self> {
        self.plan.with_tables(tables, steps).map(Self::from)
    }

    /// Quantises rows of latents `[rows, latents]` into their bit codes, on the calling thread. The
    /// bits before the first symbol are zero.
    pub(crate) fn encode(&self, latents: &[f32], packed_rows: &mut [u8]) {
        packed_rows.fill(0);
        scalar::encode(self, latents, packed_rows);
        let steps = self.steps.get_or_init(|| Steps::new(self));
        search::encode(self, steps, latents, packed_rows);
    }

    /// The entries of tables that one row's bit code gives: its latents, each without its step.
    #[inline(always)]
    pub(crate) fn values(&self, packed: &[u8], padded: &mut PaddedRow, values: &mut [f32]) {
        let unpacker = self.unpacker.get_or_init(|| Unpacker::new(self));
        let tables = (self.tables().entries(), self.tables().all_pairs());
        unpacker.unpack(self, tables, packed, &mut padded.0, values);
    }

    /// The same entries, rounded to steps of `Tables::step`.
    #[inline(always)]
    pub(crate) fn rounded_values(&self, packed: &[u8], padded: &mut PaddedRow, values: &mut [i16]) {
        let unpacker = self.unpacker.get_or_init(|| Unpacker::new(self));
        let Rounded { entries, pairs } = self.tables().rounded();
        unpacker.unpack(self, (entries.as_slice(), pairs), packed, &mut padded.0, values);
    }

    /// The latents of one row's bit code.
    #[inline(always)]
    pub(crate) fn decode(&self, packed: &[u8], padded: &mut PaddedRow, latents: &mut [f32]) {
        self.values(packed, padded, latents);
        latents.iter_mut().zip(&self.plan.steps).for_each(|(z, step)| *z *= step);
    }
}

impl From<Plan> for BitPlan {
    fn from(plan: Plan) -> Self {
        Self { plan, steps: Arc::default(), unpacker: Arc::default() }
    }
}

impl Deref for BitPlan {
    type Target = Plan;

    fn deref(&self) -> &Plan {
        &self.plan
    }
}

impl PartialEq for BitPlan {
    fn eq(&self, other: &Self) -> bool {
        self.plan == other.plan
    }
}
