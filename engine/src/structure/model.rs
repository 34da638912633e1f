//! The waiters' list against a plain vector, under random histories.

use std::collections::BTreeMap;

use super::{Lookup, SLOTS, Waiters, WaitersView, pin};
use crate::{id::Seq, time::LogTime};

/// What the vector remembers of one who joined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Past {
    Live,
    Admitted(u64),
    Gone,
}

/// A xorshift generator: the same seed tells the same story.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

struct Model {
    random: Random,
    now: LogTime,
    waiters: Waiters,
    view: WaitersView,
    past: Vec<Past>,
    freed: usize,
}

impl Model {
    fn new(seed: u64) -> Model {
        let waiters = Waiters::new();
        let view = waiters.view();
        Model { random: Random(seed), now: LogTime(5_000_000_000), waiters, view, past: Vec::new(), freed: 0 }
    }

    fn step(&mut self) {
        self.now.0 += self.random.below(3);
        match self.random.below(100) {
            0..35 => self.append(1),
            35..40 => self.append(1_000),
            40..65 => self.remove(),
            65..90 => self.admit(),
            90..96 => self.remove_slots(),
            _ => self.free(),
        }
    }

    fn append(&mut self, most: u64) {
        for _ in 0..=self.random.below(most) {
            assert_eq!(self.waiters.append(self.now), Seq(self.past.len() as u64));
            self.past.push(Past::Live);
        }
    }

    fn any(&mut self) -> usize {
        self.random.below(self.past.len() as u64 + 2) as usize
    }

    fn remove(&mut self) {
        let at = self.any();
        let waits = self.past.get(at) == Some(&Past::Live);
        assert_eq!(self.waiters.remove(Seq(at as u64)), waits);
        if waits {
            self.past[at] = Past::Gone;
        }
    }

    fn admit(&mut self) {
        let at = self.any();
        let waits = self.past.get(at) == Some(&Past::Live);
        assert_eq!(self.waiters.admit(Seq(at as u64), self.now), waits);
        if waits {
            self.past[at] = Past::Admitted(self.now.0);
        }
    }

    fn remove_slots(&mut self) {
        let block = self.any() / SLOTS;
        let all = if self.random.below(2) == 0 { u64::MAX } else { 0 };
        let mask = std::array::from_fn(|_| self.random.below(u64::MAX) | all);
        let removed = self.waiters.remove_slots(block as u64, &mask);
        for slot in 0..SLOTS {
            let hit = mask[slot / 64] >> (slot % 64) & 1 == 1;
            let past = self.past.get_mut(block * SLOTS + slot).filter(|past| hit && **past == Past::Live);
            assert_eq!(removed[slot / 64] >> (slot % 64) & 1 == 1, past.is_some());
            past.into_iter().for_each(|past| *past = Past::Gone);
        }
    }

    fn free(&mut self) {
        let block = self.any() / SLOTS;
        let end = ((block + 1) * SLOTS).min(self.past.len());
        let remembered = self.past.get_mut(block * SLOTS..end).unwrap_or(&mut []);
        let held = self.waiters.next_block(block as u64) == Some(block as u64);
        let free = held && !remembered.contains(&Past::Live);
        assert_eq!(self.waiters.free_block(block as u64), free);
        if free {
            remembered.fill(Past::Gone);
            self.freed += 1;
        }
    }

    fn check(&self) {
        let guard = pin();
        let mut rank = 0;
        for (seq, past) in self.past.iter().enumerate() {
            match (self.view.lookup(Seq(seq as u64), &guard), past) {
                (Lookup::Live(found), Past::Live) => {
                    assert_eq!((found.rank(), found.seq()), (rank, Seq(seq as u64)));
                    rank += 1;
                }
                (Lookup::Admitted(at), Past::Admitted(stamp)) => assert_eq!(at.0, *stamp),
                (Lookup::Gone, Past::Gone) => {}
                (found, past) => panic!("{seq} is {past:?} and was found {found:?}"),
            }
        }
        assert!(matches!(self.view.lookup(Seq(self.past.len() as u64), &guard), Lookup::Unknown));
        assert_eq!((self.view.waiting(), self.waiters.live_total()), (rank, rank));
        assert_eq!(self.view.tail(), self.past.len() as u64);
        self.check_blocks();
    }

    fn check_blocks(&self) {
        let mut live = Vec::new();
        let mut next = 0;
        while let Some(block) = self.waiters.next_live_block(next) {
            live.push((block, u64::from(self.waiters.block_count_live(block))));
            next = block + 1;
        }
        let mut naive = BTreeMap::new();
        for seq in (0..self.past.len()).filter(|&seq| self.past[seq] == Past::Live) {
            *naive.entry((seq / SLOTS) as u64).or_insert(0) += 1;
        }
        assert_eq!(live, naive.into_iter().collect::<Vec<_>>());
        assert_eq!(self.waiters.first_live_block(), live.first().map(|&(block, _)| block));
        let held = images(&self.waiters);
        assert_eq!(held.len(), self.waiters.blocks_allocated());
        for image in held {
            let stamps = image.admitted.iter().map(|&(_, at)| at).max();
            let summary = self.waiters.admitted_in(image.block);
            assert_eq!(summary.map(|summary| summary.count as usize).unwrap_or(0), image.admitted.len());
            assert_eq!(summary.map(|summary| summary.latest), stamps);
        }
    }
}

fn images(waiters: &Waiters) -> Vec<super::BlockImage> {
    let next = |from| waiters.next_block(from);
    std::iter::successors(next(0), |&block| next(block + 1))
        .map(|block| waiters.block_image(block).expect("allocated"))
        .collect()
}

#[test]
fn random_histories_equal_a_vector() {
    let (seeds, steps) = if cfg!(miri) { (1, 30) } else { (8, 2_000) };
    for seed in 1..=seeds {
        let mut model = Model::new(seed * 0x9E37_79B9);
        for step in 0..steps {
            model.step();
            if step % 100 == 99 || step + 1 == steps {
                model.check();
            }
        }
        assert!(cfg!(miri) || model.freed > 0, "no history freed a block");
    }
}

#[test]
fn a_restored_list_is_the_list() {
    let mut model = Model::new(77);
    for _ in 0..if cfg!(miri) { 40 } else { 1_500 } {
        model.step();
    }
    let saved = images(&model.waiters);
    let restored =
        Waiters::restore(saved.clone(), model.waiters.tail(), LogTime(9_000_000_000)).expect("good");
    assert_eq!(images(&restored), saved);
    assert_eq!(restored.bytes(), model.waiters.bytes());
    model.view = restored.view();
    model.waiters = restored;
    model.check();
    for _ in 0..if cfg!(miri) { 10 } else { 500 } {
        model.step();
    }
    model.check();
}

#[test]
fn ranks_span_regions_and_an_emptied_front_goes_back() {
    let mut waiters = Waiters::new();
    let region = (SLOTS * super::FAN * super::FAN) as u64;
    let (joins, step) = if cfg!(miri) { (3_000, 1_000) } else { (6 * region + 7, 50_021) };
    for ms in 0..joins {
        waiters.append(LogTime(ms));
    }
    let view = waiters.view();
    let rank = |seq| match view.lookup(Seq(seq), &pin()) {
        Lookup::Live(found) => Some(found.rank()),
        _ => None,
    };
    (0..joins).step_by(step).for_each(|seq| assert_eq!(rank(seq), Some(seq)));
    let full = waiters.bytes();
    for seq in 0..joins - 1 {
        assert!(waiters.remove(Seq(seq)));
    }
    assert_eq!((rank(0), rank(joins - 1)), (None, Some(0)));
    assert_eq!(waiters.first_live_block(), Some((joins - 1) / SLOTS as u64));
    (0..joins / SLOTS as u64).for_each(|block| assert!(waiters.free_block(block)));
    assert_eq!(waiters.blocks_allocated(), 1);
    assert!(waiters.bytes() < 8_192 && full > joins as usize * 17 / 4);
}

#[test]
fn images_that_contradict_are_refused() {
    use super::ImageError::{Admitted, Distant, Order, PastTail};
    use super::shape::SEQ_END;
    let mut waiters = Waiters::new();
    for ms in 0..600 {
        waiters.append(LogTime(ms));
    }
    assert!(waiters.admit(Seq(3), LogTime(700)));
    let good = images(&waiters);
    let restore = |images: Vec<super::BlockImage>, tail| Waiters::restore(images, tail, LogTime(0)).err();
    assert_eq!(restore(good.clone(), 600), None);
    assert_eq!(restore(good.clone(), 599), Some(PastTail { block: 1 }));
    assert_eq!(restore(vec![good[1].clone(), good[0].clone()], 600), Some(Order { block: 0 }));
    let broken = |change: fn(&mut super::BlockImage)| {
        let mut images = good.clone();
        change(&mut images[0]);
        restore(images, 600)
    };
    assert_eq!(broken(|image| image.admitted[0].0 = 4), Some(Admitted { block: 0 }));
    assert_eq!(broken(|image| image.admitted[0].0 = 512), Some(Admitted { block: 0 }));
    assert_eq!(broken(|image| image.block = u64::MAX), Some(PastTail { block: u64::MAX }));
    assert_eq!(restore(Vec::new(), u64::MAX), Some(PastTail { block: u64::MAX / 512 }));
    let mut images = good.clone();
    images[1] =
        super::BlockImage { block: 1 << 38, fill: 512, live: [0; 8], admitted: vec![], ..images[1].clone() };
    assert_eq!(restore(images, SEQ_END), Some(Distant { block: 1 << 38 }), "no directory is made for it");
}

#[test]
fn polls_move_the_cell_and_the_mark_forward() {
    let mut waiters = Waiters::new();
    let seq = waiters.append(LogTime(1_000));
    let touch = |ms| match waiters.lookup(seq) {
        Lookup::Live(found) => found.touch(LogTime(ms)),
        found => panic!("{found:?}"),
    };
    touch(4_000);
    assert_eq!(waiters.polled_ms(0, 0), 4_000);
    assert_eq!(waiters.mark(0), Some(LogTime(4_095)));
    touch(2_000);
    assert_eq!(waiters.mark(0), Some(LogTime(4_095)));
    // What was heard of elsewhere at an earlier moment takes nothing back.
    let touch_at_least = |ms| match waiters.lookup(seq) {
        Lookup::Live(found) => found.touch_at_least(LogTime(ms)),
        found => panic!("{found:?}"),
    };
    for (ms, polled, mark) in [(1_500, 2_000, 4_095), (3_000, 3_000, 4_095), (9_000, 9_000, 9_215)] {
        touch_at_least(ms);
        assert_eq!((waiters.polled_ms(0, 0), waiters.mark(0)), (polled, Some(LogTime(mark))));
    }
    assert_eq!((waiters.mark(1), waiters.polled_ms(1, 0)), (None, 0));
}

#[test]
fn the_block_at_the_tail_is_freed_and_made_anew() {
    let mut waiters = Waiters::new();
    let first = waiters.append(LogTime(10));
    assert!(!waiters.free_block(0) && waiters.admit(first, LogTime(20)) && waiters.free_block(0));
    assert_eq!((waiters.blocks_allocated(), waiters.first_live_block()), (0, None));
    assert!(matches!(waiters.lookup(first), Lookup::Gone));
    let second = waiters.append(LogTime(30));
    assert_eq!((second, waiters.joined(0)), (Seq(1), Some((LogTime(30), LogTime(30)))));
    assert!(matches!(waiters.lookup(first), Lookup::Gone));
    assert!(matches!(waiters.lookup(second), Lookup::Live(found) if found.rank() == 0));
    assert_eq!(waiters.first_live_block(), Some(0));
}
