//! Draws at random, by a seed, which rows are fitted and which rows are measured.

use vecodec::data::random_rows;

/// Two disjoint sets of row numbers, each in ascending order.
#[derive(Debug, PartialEq, Eq)]
pub struct Split {
    pub fitted: Vec<usize>,
    pub measured: Vec<usize>,
    /// Positions within `measured`, in ascending order.
    pub queries: Vec<usize>,
}

impl Split {
    /// Draws `sample` of `rows` rows at random, or takes all rows if there are fewer. A random
    /// half is fitted, and the other half is measured. At most `queries` measured rows are queries.
    pub fn draw(rows: usize, sample: usize, queries: usize, seed: u64) -> Self {
        // Each draw has a seed of its own. Draws of as many rows would choose the same otherwise.
        let mut seeds = (0..).map(|draw| seed.wrapping_mul(3).wrapping_add(draw));
        let mut draw = |rows, count| random_rows(rows, count, seeds.next().unwrap_or_default());
        let used = draw(rows, sample);
        let first = draw(used.len(), used.len() / 2);
        let (mut fitted, mut measured) = (Vec::with_capacity(first.len()), Vec::new());
        let mut first = first.into_iter().peekable();
        for (position, row) in used.into_iter().enumerate() {
            if first.next_if_eq(&position).is_some() {
                fitted.push(row);
            } else {
                measured.push(row);
            }
        }
        let queries = draw(measured.len(), queries);
        Self { fitted, measured, queries }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_halves_are_disjoint_and_hold_every_row() {
        for rows in [2, 3, 22, 501] {
            let split = Split::draw(rows, 1000, 7, 5);
            let mut all = [split.fitted.clone(), split.measured.clone()].concat();
            assert_eq!(split.fitted.len(), rows / 2);
            assert!(split.fitted.is_sorted() && split.measured.is_sorted());
            all.sort_unstable();
            assert_eq!(all, (0..rows).collect::<Vec<_>>());
            assert_eq!(split.queries.len(), 7.min(rows.div_ceil(2)));
            assert!(split.queries.iter().all(|query| *query < split.measured.len()));
        }
    }

    #[test]
    fn a_sample_is_spread_over_the_file() {
        let split = Split::draw(1_000_000, 1000, 100, 6);
        let all = [split.fitted.clone(), split.measured.clone()].concat();
        assert_eq!((split.fitted.len(), all.iter().collect::<BTreeSet<_>>().len()), (500, 1000));
        // Ten standard deviations around what is expected.
        let early = all.iter().filter(|row| **row < 500_000).count();
        assert!((342..658).contains(&early), "{early} of 1000 rows are from the first half");
        let odd = all.iter().filter(|row| **row % 2 == 1).count();
        assert!((342..658).contains(&odd), "{odd} of 1000 rows are odd");
    }

    #[test]
    fn the_seed_decides() {
        let draw = |seed| Split::draw(300, 200, 50, seed);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
