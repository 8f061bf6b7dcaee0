//! Which latents share a block.

use std::cmp::Reverse;

use super::blocks::{Block, LANES, Table, TableSize};
use super::fields::{Field, Set, sets};
use crate::bit_codes::BitPlan;

/// Latents whose windows lie in eight bytes.
const EIGHT: usize = 8;

/// How the values of a row are computed.
pub(super) struct Packing {
    /// Each writes [`LANES`] values, one after the other.
    pub(super) blocks: Vec<Block>,
    /// The latent of each value, and the step of its entries. Not all values have one.
    pub(super) values: Vec<Option<(usize, f64)>>,
    /// Bytes that are read from the begin of a row on. Those behind the row decide nothing.
    pub(super) row_reach: usize,
}

/// Up to eight latents of a set.
struct Eight<'a> {
    set: usize,
    /// The first of the eight bytes.
    byte: usize,
    fields: &'a [Field],
}

impl Packing {
    /// 8-bit codes of so many latents.
    pub(super) fn of_bytes(latents: usize) -> Self {
        let mut all = Self { blocks: vec![], values: vec![], row_reach: 0 };
        all.values.extend((0..latents).map(|latent| Some((latent, 1.0))));
        all.values.resize(latents.next_multiple_of(LANES), None);
        all.blocks.extend((0..latents).step_by(LANES).map(Block::without_tables));
        all.row_reach = all.values.len();
        all
    }

    /// Bit codes. None where a window has more than 8 bits.
    pub(super) fn of_bits(plan: &BitPlan) -> Option<Self> {
        let sets = sets(plan)?;
        let mut pieces: Vec<Vec<Eight<'_>>> = Vec::new();
        for (number, set) in sets.iter().enumerate() {
            pieces.extend(divided(eights(number, &set.fields, plan.code_bytes())));
        }
        // The largest first: the small ones fill what is left.
        pieces.sort_by_key(|piece| Reverse(piece.len()));
        let mut blocks: Vec<Vec<Eight<'_>>> = Vec::new();
        for piece in pieces {
            match blocks.iter_mut().find(|block| has_room(block, &piece, &sets)) {
                Some(block) => block.extend(piece),
                None => blocks.push(piece),
            }
        }
        let mut all = Self { blocks: vec![], values: vec![], row_reach: 0 };
        blocks.iter().for_each(|eights| all.push(eights, &sets));
        Some(all)
    }

    fn push(&mut self, eights: &[Eight<'_>], sets: &[Set]) {
        let bytes = || eights.iter().map(|eight| eight.byte);
        // Blocks of one first byte read the same bytes.
        let is_at_begin = bytes().all(|byte| byte + EIGHT <= LANES);
        let first_byte = if is_at_begin { 0 } else { bytes().min().unwrap_or(0) };
        let mut numbers: Vec<usize> = Vec::new();
        let mut block = Block::without_tables(first_byte);
        let first = self.values.len();
        self.values.resize(first + LANES, None);
        for (Eight { set, byte, fields }, first_lane) in eights.iter().zip((0..).step_by(EIGHT)) {
            let Set { table, used, .. } = &sets[*set];
            block.size = TableSize::of(*used);
            let table = numbers.iter().position(|number| number == set).unwrap_or_else(|| {
                numbers.push(*set);
                block.tables.push(Table { entries: *table, lanes: 0 });
                numbers.len() - 1
            });
            for (lane, from) in (first_lane..first_lane + EIGHT).zip(byte - first_byte..) {
                block.bytes[lane] = from as u8;
            }
            for (lane, field) in (first_lane..).zip(*fields) {
                // Missing bits may lie before the eight bytes: shifts count modulo 64. The mask drops these bits.
                let shift = (field.start + 64 - field.missing - 8 * byte) % 64;
                block.shifts[lane] = shift as u8;
                (block.masks[lane], block.begins[lane]) = (field.mask, field.begin);
                block.tables[table].lanes |= 1 << lane;
                self.values[first + lane] = Some((field.latent, field.step));
            }
        }
        self.blocks.push(block);
        self.row_reach = self.row_reach.max(first_byte + LANES);
    }
}

/// Divides latents, given in the order of their bits, into eights. Their bytes end with the row if it has eight.
fn eights(set: usize, mut fields: &[Field], row_bytes: usize) -> Vec<Eight<'_>> {
    let mut eights = Vec::with_capacity(fields.len());
    while let Some(first) = fields.first() {
        let byte = (first.start / 8).min(row_bytes.saturating_sub(EIGHT));
        let fit = fields.iter().take(EIGHT).take_while(|field| field.end <= 8 * byte + 64);
        let (taken, rest) = fields.split_at(fit.count());
        eights.push(Eight { set, byte, fields: taken });
        fields = rest;
    }
    eights
}

/// Divides eights into runs that fit a block each.
fn divided(eights: Vec<Eight<'_>>) -> Vec<Vec<Eight<'_>>> {
    let mut runs: Vec<Vec<Eight<'_>>> = Vec::new();
    for eight in eights {
        let has_room = |run: &&mut Vec<Eight<'_>>| {
            run.len() < LANES / EIGHT && eight.byte + EIGHT <= run[0].byte + LANES
        };
        match runs.last_mut().filter(has_room) {
            Some(run) => run.push(eight),
            None => runs.push(vec![eight]),
        }
    }
    runs
}

/// Whether a block has room for more latents, whose tables are of the same size.
fn has_room(block: &[Eight<'_>], piece: &[Eight<'_>], sets: &[Set]) -> bool {
    let all = || block.iter().chain(piece);
    let first = all().map(|eight| eight.byte).min().unwrap_or(0);
    let last = all().map(|eight| eight.byte).max().unwrap_or(0);
    let size = |eights: &[Eight<'_>]| TableSize::of(sets[eights[0].set].used);
    all().count() <= LANES / EIGHT && last + EIGHT <= first + LANES && size(block) == size(piece)
}
