//! Reproducible random choices (xorshift64*).

pub struct Random(u64);

impl Random {
    /// `seed` must not be 0.
    pub fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33
    }

    /// Returns true with a probability of one half.
    pub fn coin(&mut self) -> bool {
        self.next().is_multiple_of(2)
    }

    pub fn number(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most - least + 1)
    }

    pub fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        let last = u64::try_from(choices.len()).unwrap() - 1;
        choices[usize::try_from(self.number(0, last)).unwrap()]
    }
}
