//! Chance from one seed: the same seed throws the same numbers on every machine.

/// A SplitMix64 generator: small, and good enough to choose commands with.
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice of their own for the part `part` of a run, so that a part can be repeated without those before it.
    pub(crate) fn of_part(seed: u64, part: u64) -> Self {
        // Mixed twice: neighbouring seeds must not throw each other's numbers, one throw later.
        let mut of_seed = Self(seed);
        let mut dice = Self(of_seed.next() ^ part.rotate_left(32));
        Self(dice.next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        assert!(end > 0, "nothing is below 0");
        self.next() % end
    }

    /// An index of something that has `length` parts.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("an index of something in memory")
    }

    /// True in `percent` of a hundred throws.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.index(all.len())]
    }

    /// One of the choices, each as likely as its weight says.
    pub(crate) fn weighted<T: Copy>(&mut self, choices: &[(u64, T)]) -> T {
        let mut left = self.below(choices.iter().map(|(weight, _)| weight).sum());
        for (weight, choice) in choices {
            if left < *weight {
                return *choice;
            }
            left -= weight;
        }
        unreachable!("the throw is below the sum of the weights")
    }
}

#[test]
fn a_seed_always_throws_the_same() {
    let throws = |mut dice: Dice| -> Vec<u64> { (0..8).map(|_| dice.below(100)).collect() };
    assert_eq!(throws(Dice::of_part(1, 2)), throws(Dice::of_part(1, 2)));
    assert_ne!(throws(Dice::of_part(1, 2)), throws(Dice::of_part(2, 1)));
    assert_ne!(throws(Dice::of_part(1, 2))[1..], throws(Dice::of_part(2, 2))[..7]);
}
