//! Tables of 16 entries, 32 rows at a time.
//!
//! No latent of a scalar code crosses a byte (`docs/format.md`). Neighbouring latents of one byte that have up to
//! 4 bits together are looked up by one *nibble*, a number below 16. A latent of more bits has as many tables as
//! its upper bits have values. A row that has other upper bits looks up zero:
//!
//! ```text
//! columns = the bytes of 32 rows, transposed
//! for each table:                                             once for all queries
//!     nibbles[t] = (columns[byte] >> shift & mask) ^ upper    16 or more: the row looks up zero
//! for each query, for each table:
//!     sums += low[t][nibbles[t]] + 256 high[t][nibbles[t]]    32 look-ups an instruction
//! ```
//!
//! A sum of all entries of a row has 16 bits: the step of a query divides the range of its products by almost
//! 65,536. A table adds at most half a step of error, which all tables together keep far below what products differ
//! by.

#[cfg(target_arch = "x86_64")]
use super::avx2::with_vectors;
use super::groups::{Group, groups, is_in_byte};
#[cfg(target_arch = "aarch64")]
use super::neon::with_vectors;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use super::no_vectors::with_vectors;
use super::padded::{PaddedCodes, ROWS, STRIDE};
use super::scale::Scale;
use super::vectors::{Vectors, WithVectors};
use crate::bit_codes::BitPlan;
use crate::search::Projection;

/// Rows of a region from which on tables repay their making.
const LEAST_ROWS: usize = 256;
/// Tables per byte of a row up to which they are faster than products of `f32`.
const MOST_TABLES: usize = 8;
/// The largest sum of a row's entries.
const LARGEST_SUM: f64 = 65535.0;
/// Tables of a row, at most: each may round its entry up.
const MOST_GROUPS: usize = 1 << 14;

/// The tables of some queries.
pub(super) struct Nibbles {
    nibbles: Vec<Nibble>,
    /// `[queries, nibbles]`: the low bytes of 16 entries, then the high ones.
    tables: Vec<[[u8; 16]; 2]>,
    /// By query.
    scales: Vec<Scale>,
}

/// Where the number is that a table is indexed by.
#[derive(Clone, Copy, Debug)]
struct Nibble {
    byte: usize,
    shift: u32,
    mask: u8,
    /// The upper bits that the table is for.
    upper: u8,
}

impl Nibbles {
    /// None where a latent crosses a byte, where tables would be many or rows few, or where the machine has no
    /// instruction that looks up.
    pub(super) fn new(plan: &BitPlan, queries: &Projection, rows: usize) -> Option<Self> {
        if rows < LEAST_ROWS || !plan.has_bytes() || !vectors_exist() {
            return None;
        }
        let groups = groups(plan, |start, end| end - start <= 4 && is_in_byte(start, end));
        let nibbles: Vec<Nibble> = groups.iter().flat_map(nibbles).collect();
        if groups.len() > MOST_GROUPS
            || !groups.iter().all(Group::is_in_byte)
            || nibbles.len() > MOST_TABLES * plan.code_bytes()
        {
            return None;
        }
        let mut all = Self { nibbles, tables: Vec::new(), scales: Vec::new() };
        for query in 0..queries.count() {
            let sums = groups.iter().map(|group| group.sums(plan, queries.query(query)));
            all.push(&sums.collect::<Vec<_>>());
        }
        Some(all)
    }

    /// Adds the tables of a query, given what each group may add.
    fn push(&mut self, groups: &[Vec<f64>]) {
        let least = |sums: &[f64]| sums.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = |sums: &[f64]| sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let offset: f64 = groups.iter().map(|sums| least(sums)).sum();
        let range: f64 = groups.iter().map(|sums| largest(sums) - least(sums)).sum();
        let magnitude = offset.abs() + range;
        let integers = LARGEST_SUM - groups.len() as f64;
        let steps = 0.5 * groups.len() as f64;
        let scale = Scale::new(range, integers, steps, 0.0, offset, magnitude);
        let per_step = 1.0 / f64::from(scale.step);
        for sums in groups {
            let least = least(sums);
            for sums in sums.chunks(16) {
                let mut table = [[0; 16]; 2];
                for (at, sum) in sums.iter().enumerate() {
                    let [low, high] = (((sum - least) * per_step).round() as u16).to_le_bytes();
                    (table[0][at], table[1][at]) = (low, high);
                }
                self.tables.push(table);
            }
        }
        self.scales.push(scale);
    }

    pub(super) fn scales(&self) -> &[Scale] {
        &self.scales
    }

    pub(super) fn products(
        &self,
        codes: &PaddedCodes,
        nibbles: &mut Vec<[u8; ROWS]>,
        products: &mut [f32],
    ) {
        nibbles.resize(self.nibbles.len(), [0; ROWS]);
        with_vectors(Products { tables: self, codes, nibbles, products });
    }
}

/// The numbers that a group is looked up by.
fn nibbles(group: &Group) -> impl Iterator<Item = Nibble> + use<> {
    let (byte, shift) = ((group.start / 8) as usize, group.start % 8);
    let mask = ((1u32 << group.bits) - 1) as u8;
    (0..1u32 << group.bits).step_by(16).map(move |upper| Nibble {
        byte,
        shift,
        mask,
        upper: upper as u8,
    })
}

/// Whether the machine has vectors that look up bytes.
pub(super) fn vectors_exist() -> bool {
    struct Exist;
    impl WithVectors for Exist {
        fn run<V: Vectors>(self, _: V) {}
    }
    with_vectors(Exist)
}

/// The products of rows with all queries.
struct Products<'a> {
    tables: &'a Nibbles,
    codes: &'a PaddedCodes,
    /// Memory for the numbers of some rows.
    nibbles: &'a mut [[u8; ROWS]],
    /// `[queries, rows]`
    products: &'a mut [f32],
}

impl WithVectors for Products<'_> {
    #[inline(always)]
    fn run<V: Vectors>(self, vectors: V) {
        let Self { tables: Nibbles { nibbles: all, tables, scales }, codes, nibbles, products } =
            self;
        let count = products.len() / scales.len();
        let rows = codes.bytes.chunks_exact(codes.stride * ROWS);
        for (rows, first) in rows.zip((0..count).step_by(ROWS)) {
            let (rows, _) = rows.as_chunks::<STRIDE>();
            let per_row = codes.stride / STRIDE;
            let mut rest = all.iter().zip(&mut *nibbles).peekable();
            while let Some((Nibble { byte, .. }, _)) = rest.peek() {
                let block = byte / STRIDE;
                let columns = columns(vectors, &rows[block..], per_row);
                while let Some((nibble, to)) =
                    rest.next_if(|(nibble, _)| nibble.byte / STRIDE == block)
                {
                    let column = columns[nibble.byte % STRIDE];
                    *to = vectors.nibbles(column, nibble.shift, nibble.mask, nibble.upper);
                }
            }
            let tables = tables.chunks_exact(all.len()).zip(scales);
            for (query, (tables, scale)) in tables.enumerate() {
                let mut sums = vectors.zero();
                for (table, nibbles) in tables.iter().zip(&*nibbles) {
                    sums = vectors.add(sums, table, nibbles);
                }
                let products = &mut products[query * count..][..count][first..];
                for (product, sum) in products.iter_mut().zip(vectors.sums(sums)) {
                    *product = scale.offset + scale.step * f32::from(sum);
                }
            }
        }
    }
}

/// The columns of 16 bytes of 32 rows, which lie `stride` blocks of 16 bytes apart.
///
/// A number of 8 bits says where a byte is: 4 bits of its row, 4 of its column. To interleave the first half of
/// all rows with the second turns these bits by one; after four times rows and columns have changed places.
#[inline(always)]
fn columns<V: Vectors>(vectors: V, blocks: &[[u8; STRIDE]], stride: usize) -> [V::Bytes; STRIDE] {
    let mut all: [V::Bytes; STRIDE] = std::array::from_fn(|row| {
        vectors.bytes(&blocks[row * stride], &blocks[(row + STRIDE) * stride])
    });
    for _ in 0..4 {
        let pairs: [(V::Bytes, V::Bytes); STRIDE / 2] =
            std::array::from_fn(|i| vectors.interleave(all[i], all[i + STRIDE / 2]));
        all = std::array::from_fn(|i| if i % 2 == 0 { pairs[i / 2].0 } else { pairs[i / 2].1 });
    }
    all
}
