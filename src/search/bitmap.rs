//! Sets of rows, one bit each.

/// A set of numbers below a length. Bit `i` is bit `i % 64` of word `i / 64`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Bitmap {
    words: Vec<u64>,
}

impl Bitmap {
    /// The empty set of numbers below `len`.
    pub(crate) fn empty(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)] }
    }

    /// The numbers from `first` on, `len` of them, of a set that is given as words. They count from 0
    /// here.
    pub(crate) fn part(words: &[u64], first: u64, len: usize) -> Self {
        let (word, shift) = ((first / 64) as usize, first % 64);
        let at = |index: usize| words.get(index).copied().unwrap_or(0);
        let joined = |i: usize| match shift {
            0 => at(word + i),
            _ => at(word + i) >> shift | at(word + i + 1) << (64 - shift),
        };
        let mut part = Self { words: (0..len.div_ceil(64)).map(joined).collect() };
        if let (Some(last), 1..) = (part.words.last_mut(), len % 64) {
            *last &= (1 << (len % 64)) - 1;
        }
        part
    }

    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    #[inline(always)]
    pub(crate) fn contains(&self, number: u32) -> bool {
        self.words[number as usize / 64] >> (number % 64) & 1 == 1
    }

    pub(crate) fn insert(&mut self, number: u32) {
        self.words[number as usize / 64] |= 1 << (number % 64);
    }

    pub(crate) fn remove_all(&mut self, others: &Self) {
        self.words.iter_mut().zip(&others.words).for_each(|(word, other)| *word &= !other);
    }

    pub(crate) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_begin_at_any_bit() {
        let mut all = Bitmap::empty(300);
        (0..300).filter(|n| n % 7 == 3 || n % 11 == 0).for_each(|n| all.insert(n));
        for (first, len) in
            [(0, 300), (64, 64), (1, 64), (63, 130), (130, 1), (200, 100), (250, 90)]
        {
            let part = Bitmap::part(all.words(), first as u64, len);
            let is_member = |n: usize| first + n < 300 && all.contains((first + n) as u32);
            for number in 0..len {
                assert_eq!(part.contains(number as u32), is_member(number), "{first} {len}");
            }
            assert_eq!(part.count(), (0..len).filter(|n| is_member(*n)).count());
        }
    }
}
