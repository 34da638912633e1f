//! I8: a reader sees each entry exactly once and in order, or is told that it has lost its place.
//!
//! A real owner, real hubs, and readers whose connections take what they like: full at random, gone and back at random,
//! with news lost on the way. What a reader was told is checked as it is told.
//! Seen to fail when broken: a cache that claims to know what it dropped (`shrink` without moving `from`), a loss after which nothing
//! is asked again, news during a round that begins no other.

mod losses;

use super::{Hubs, Knows, News, Outlets, Seat, Tell, Told, Took, Wish};
use crate::cursor::{Cursor, Position};
use crate::limit;
use crate::worker::shards::extent_of;
use crate::worker::ticket::SessionKey;
use sluice_engine::account::Charge;
use sluice_engine::command::Command;
use sluice_engine::directory::Directory;
use sluice_engine::id::Ticket;
use sluice_engine::node;
use sluice_engine::owner::Owner;
use sluice_engine::reply::Reply;
use sluice_engine::sequencer::Local;
use sluice_engine::stream::ListenerId;
use sluice_engine::stream::fields::Fields;
use sluice_engine::stream::id::StreamId;
use sluice_engine::stream::op::{Add, Follow, FollowFrom, Keep, KeyOp, NewId, Trim};
use sluice_engine::stream::text::Text;
use sluice_engine::stream::value::Value;
use sluice_engine::time::MonoMs;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// What one reader was told.
#[derive(Default)]
struct Story {
    key: Option<Text>,
    is_open: bool,
    at: Option<Cursor>,
    ended: bool,
    resets: usize,
    entries: usize,
}

/// Connections that take what they like.
struct Readers {
    rng: fastrand::Rng,
    stories: HashMap<Seat, Story>,
    full_percent: u8,
    /// The payload of every entry that ever was.
    written: HashMap<(Text, u64, u64), u64>,
    /// What is there now, by stream and number.
    live: HashSet<(Text, u64, u64)>,
    /// How often it was asked whether somebody is there.
    looks: usize,
    /// What these connections still take, in entries.
    left: HashMap<SessionKey, usize>,
    /// How often a connection was offered something that it did not take.
    refused: usize,
}

impl Readers {
    fn is_full(&mut self, seat: Seat) -> bool {
        let is_full = self.left.get(&seat.session) == Some(&0) || self.rng.u8(0..100) < self.full_percent;
        self.refused += usize::from(is_full);
        is_full
    }
}

impl Outlets for Readers {
    fn tell(&mut self, seat: Seat, key: &Text, tell: Tell<'_>) -> Took {
        let took = self.takes(seat, key);
        if took != Took::All {
            return took;
        }
        let Some(story) = self.stories.get_mut(&seat) else { return Took::Gone };
        if let (Tell::Entry { .. }, Some(left)) = (tell, self.left.get_mut(&seat.session)) {
            *left -= 1;
        }
        match tell {
            Tell::Current => {}
            Tell::Entry { epoch, entry } => {
                let expected = story.at.map_or(entry.dense, |at| at.dense + 1);
                assert_eq!(entry.dense, expected, "a reader skips or repeats");
                assert!(story.at.is_none_or(|at| at.epoch == epoch), "another stream without a reset");
                assert!(!story.ended, "told something behind the end");
                let payload = entry.fields().texts().nth(1).unwrap();
                let number: u64 = std::str::from_utf8(payload).unwrap().parse().unwrap();
                assert_eq!(
                    self.written.get(&(key.clone(), epoch, entry.dense)),
                    Some(&number),
                    "another entry"
                );
                story.at = Some(Cursor { epoch, dense: entry.dense });
                story.entries += 1;
            }
            Tell::Reset { stream, reason } => {
                if let Some(at) = story.at {
                    let next = (key.clone(), at.epoch, at.dense + 1);
                    assert!(!self.live.contains(&next), "{reason:?}: what follows is still there");
                }
                // It may go on anywhere now, but not before where it was.
                story.at = None;
                story.ended = false;
                story.resets += usize::from(stream.is_some());
            }
            Tell::End(_) => story.ended = true,
        }
        Took::All
    }

    fn takes(&mut self, seat: Seat, _: &Text) -> Took {
        match self.stories.get(&seat).is_some_and(|story| story.is_open) {
            true if self.is_full(seat) => Took::Full,
            true => Took::All,
            false => Took::Gone,
        }
    }

    fn is_there(&mut self, seat: Seat, _: &Text) -> bool {
        self.looks += 1;
        self.stories.get(&seat).is_some_and(|story| story.is_open)
    }
}

struct Stage {
    rng: fastrand::Rng,
    directory: Arc<Directory>,
    owners: Vec<Owner>,
    hubs: Hubs,
    readers: Readers,
    news: Vec<News>,
    now: u64,
    seats: u32,
    appended: u64,
    lose_percent: u8,
    /// Now and then an entry is the last of its stream.
    may_end: bool,
}

impl Stage {
    fn new(seed: u64) -> Stage {
        let open =
            |_, applied| -> Box<dyn sluice_engine::sequencer::Sequencer> { Box::new(Local::new(applied)) };
        let (directory, owners) = node::open(node::Options::new([7; 16]), vec![], open, MonoMs(0)).unwrap();
        let readers = Readers {
            rng: fastrand::Rng::with_seed(seed ^ 1),
            stories: HashMap::new(),
            full_percent: 0,
            written: HashMap::new(),
            live: HashSet::new(),
            looks: 0,
            left: HashMap::new(),
            refused: 0,
        };
        Stage {
            rng: fastrand::Rng::with_seed(seed),
            directory,
            owners,
            hubs: Hubs::default(),
            readers,
            news: vec![],
            now: 1,
            seats: 0,
            appended: 0,
            lose_percent: 0,
            may_end: true,
        }
    }

    fn key(&mut self) -> Text {
        Text::from(format!("key-{}", self.rng.u8(0..5)).as_bytes())
    }

    fn change(&mut self, key: &Text, op: KeyOp) -> Option<Reply> {
        let owner = &mut self.owners[usize::from(self.directory.group_of(key).0)];
        owner.submit(Command::Key(Box::new(op)), Ticket(1)).unwrap();
        owner.turn(MonoMs(self.now));
        let mut replies = vec![];
        owner.drain_replies(&mut replies);
        replies.pop().map(|(_, reply)| reply)
    }

    fn append(&mut self, key: &Text, maxlen: u64) {
        self.appended += 1;
        let add = Add {
            key: key.clone(),
            no_create: false,
            trim: Some(Trim { keep: Keep::Newest(maxlen), limit: 0 }),
            id: NewId::Auto,
            fields: Fields::pack([&b"n"[..], self.appended.to_string().as_bytes()]),
            request: None,
            ttl_ms: None,
            end: self.rng.u8(..) == 0 && self.may_end,
        };
        if let Some(Reply::Key(Value::Added(added), _)) = self.change(key, KeyOp::Add(add)) {
            self.readers.written.insert((key.clone(), added.epoch, added.dense), self.appended);
        }
    }

    fn act(&mut self) {
        let key = self.key();
        match self.rng.u8(0..100) {
            0..60 => {
                let maxlen = if &*key == b"key-0" { 1_000 } else { 30 };
                (0..self.rng.u8(1..20)).for_each(|_| self.append(&key, maxlen));
            }
            60..63 => drop(self.change(&key.clone(), KeyOp::Delete(vec![key]))),
            63..66 => {
                let ids =
                    (0..3).map(|_| StreamId { ms: self.now - self.rng.u64(0..self.now.min(40)), seq: 0 });
                let ids = ids.collect();
                drop(self.change(&key.clone(), KeyOp::Remove(key, ids)));
            }
            66..80 => self.read(key),
            80..88 => self.leave(),
            88..92 => self.hubs.resume(SessionKey { slot: self.rng.u32(0..8), generation: 0 }),
            92..94 => {
                self.hubs.begin_sweep();
                self.hubs.sweep(self.rng.usize(1..20), &mut self.readers, |_| true);
                self.send();
            }
            _ => self.now += self.rng.u64(0..60),
        }
    }

    /// A new reader, perhaps with the cursor of one that was here before.
    fn read(&mut self, key: Text) {
        let left =
            self.readers.stories.values().filter(|story| story.key.as_ref() == Some(&key) && !story.is_open);
        let cursors: BTreeMap<(u64, u64), Cursor> =
            left.filter_map(|story| story.at).map(|at| ((at.epoch, at.dense), at)).collect();
        let pick = self.rng.usize(0..=cursors.len());
        let position = cursors.into_values().nth(pick).map_or(Position::Start, Position::After);
        self.begin(key, position);
    }

    /// A new reader from there on.
    fn begin(&mut self, key: Text, position: Position) {
        let session = SessionKey { slot: self.rng.u32(0..8), generation: 0 };
        self.begin_at(session, key, position);
    }

    fn begin_at(&mut self, session: SessionKey, key: Text, position: Position) {
        let at = if let Position::After(cursor) = position { Some(cursor) } else { None };
        self.seats += 1;
        let seat = Seat { session, number: self.seats };
        let story = Story { key: Some(key.clone()), is_open: true, at, ..Story::default() };
        self.readers.stories.insert(seat, story);
        assert!(self.hubs.follow(&key, self.directory.group_of(&key), seat, position));
    }

    fn leave(&mut self) {
        let open = self.readers.stories.values_mut().filter(|story| story.is_open);
        if let Some(story) = open.min_by_key(|story| story.entries) {
            story.is_open = false;
        }
    }

    fn send(&mut self) {
        for sent in self.hubs.take_wishes() {
            let owner = &mut self.owners[usize::from(sent.group.0)];
            let (key, followed) = match sent.wish {
                Wish::Listen(key) => (key.clone(), owner.listen(ListenerId(0), extent_of(key))),
                Wish::Follow(follow) => (follow.key.clone(), owner.follow(follow)),
                Wish::Unlisten(key) => {
                    owner.unlisten(ListenerId(0), &key);
                    continue;
                }
            };
            self.gather();
            self.news.push(News::Told(Told {
                _charge: Charge::default(),
                key,
                question: sent.question,
                followed,
            }));
        }
    }

    fn gather(&mut self) {
        for owner in &mut self.owners {
            owner.drain_tidings(|_, tidings| self.news.push(News::Tidings(tidings)));
        }
    }

    fn turn(&mut self) {
        self.send();
        self.gather();
        let news = std::mem::take(&mut self.news);
        if self.rng.u8(0..100) < self.lose_percent {
            self.hubs.lost();
        } else {
            news.into_iter().for_each(|news| self.hear(news));
        }
        self.tell();
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Tidings(tidings) => self.hubs.hear(&tidings),
            News::Told(told) => self.hubs.told(&told, &mut self.readers),
        }
    }

    fn tell(&mut self) {
        self.look();
        self.hubs.turn(
            self.rng.usize(1..30),
            MonoMs(self.now),
            |_| Knows { leads: true, is_fresh: true },
            &mut self.readers,
        );
    }

    /// Notes what is there.
    fn look(&mut self) {
        self.readers.live.clear();
        for n in 0..5 {
            let key = Text::from(format!("key-{n}").as_bytes());
            let owner = &mut self.owners[usize::from(self.directory.group_of(&key).0)];
            let whole =
                Follow { from: FollowFrom::Oldest, limit: u64::MAX, bytes_max: u64::MAX, ..follow(&key) };
            let followed = owner.follow(whole);
            let Some(epoch) = followed.stream.map(|stream| stream.epoch) else { continue };
            let entries = followed.entries;
            self.readers.live.extend(entries.iter().map(|entry| (key.clone(), epoch, entry.dense)));
        }
    }

    /// Everybody who is still there has everything that there is.
    fn settle(&mut self) {
        if self.lose_percent > 0 {
            self.hubs.lost();
        }
        (self.readers.full_percent, self.lose_percent) = (0, 0);
        for slot in 0..8 {
            self.hubs.resume(SessionKey { slot, generation: 0 });
        }
        (0..2_000).for_each(|_| self.turn());
        for story in self.readers.stories.values().filter(|story| story.is_open) {
            let key = story.key.as_ref().unwrap();
            let owner = &self.owners[usize::from(self.directory.group_of(key).0)];
            let Some(stream) = owner.follow(follow(key)).stream else { continue };
            // Where nothing is left behind a reset, nothing was told since.
            let Some(at) = story.at else { continue };
            assert_eq!(at, Cursor { epoch: stream.epoch, dense: stream.newest }, "a reader was left behind");
            assert_eq!(story.ended, stream.ended, "the end was not told, or too early");
        }
    }
}

/// A question for nothing but how far a stream reaches.
fn follow(key: &Text) -> Follow {
    let (limit, bytes_max) = (limit::FOLLOW_ENTRIES_MAX, limit::FOLLOW_BYTES_MAX);
    Follow { key: key.clone(), epoch: None, from: FollowFrom::Newest, limit, bytes_max }
}

fn run(seed: u64, full_percent: u8, lose_percent: u8) -> (usize, usize) {
    let mut stage = Stage::new(seed);
    (stage.readers.full_percent, stage.lose_percent) = (full_percent, lose_percent);
    for _ in 0..600 {
        stage.act();
        stage.turn();
    }
    stage.settle();
    let stories = stage.readers.stories.values();
    stories.fold((0, 0), |(entries, resets), story| (entries + story.entries, resets + story.resets))
}

#[test]
fn every_entry_once_and_in_order_or_a_reset() {
    let mut told = (0, 0);
    for seed in 0..40 {
        let (entries, resets) = run(seed, [0, 20, 60][seed as usize % 3], [0, 5][seed as usize % 2]);
        told = (told.0 + entries, told.1 + resets);
    }
    assert!(told.0 > 30_000 && told.1 > 100, "the stories are too dull: {told:?}");
}

/// Answers on their way: to hubs that began to listen, and to readers.
fn under_way(stage: &Stage) -> (usize, usize) {
    let told =
        stage.news.iter().filter_map(|news| if let News::Told(told) = news { Some(told) } else { None });
    let (readers, hubs): (Vec<_>, Vec<_>) = told.partition(|told| told.question.seat.is_some());
    assert!(
        hubs.iter().all(|told| told.followed.entries.bytes() == 0),
        "how far a stream reaches, not what is in it"
    );
    (hubs.len(), readers.len())
}

#[test]
fn who_begins_to_follow_very_many_streams_is_answered_a_few_at_a_time() {
    let mut stage = Stage::new(1);
    for n in 0..limit::LISTENS_MAX + 10 {
        let key = Text::from(format!("many-{n}").as_bytes());
        stage.append(&key, 10);
        stage.begin(key, Position::Start);
    }
    let lacks = |stage: &Stage| stage.readers.stories.values().any(|story| story.entries == 0);
    let mut turns = 0;
    while lacks(&stage) {
        stage.send();
        let (hubs, readers) = under_way(&stage);
        assert!(
            hubs <= limit::LISTENS_MAX && readers <= limit::FOLLOWS_MAX,
            "{hubs} hubs, {readers} readers"
        );
        stage.turn();
        turns += 1;
        assert!(turns < 1_000, "somebody is told nothing");
    }
}

#[test]
fn answers_under_way_take_no_more_than_they_may() {
    let mut stage = Stage::new(4);
    stage.hubs.bound_answers(10 * limit::FOLLOW_BYTES_MAX);
    for n in 0..100 {
        let key = Text::from(format!("many-{n}").as_bytes());
        stage.append(&key, 10);
        stage.begin(key, Position::Start);
    }
    let mut most = 0;
    for _ in 0..100 {
        stage.send();
        most = most.max(under_way(&stage).1);
        stage.turn();
    }
    assert!(0 < most && most <= 10, "{most} answers at once");
    assert!(stage.readers.stories.values().all(|story| story.entries == 1), "everybody was told");
}

#[test]
fn one_answer_is_for_all_who_have_come_as_far() {
    let mut stage = Stage::new(2);
    let key = Text::from(b"key-0");
    (0..3).for_each(|_| stage.append(&key, 10));
    (0..100).for_each(|_| stage.begin(key.clone(), Position::Start));
    stage.hubs.set_scarce(true);
    let mut asked = 0;
    for _ in 0..100 {
        stage.send();
        asked += under_way(&stage).1;
        stage.turn();
    }
    assert!(stage.readers.stories.values().all(|story| story.entries == 3), "everybody was told");
    assert!(asked <= limit::FOLLOWS_SCARCE_MAX, "{asked} questions");
}

#[test]
fn a_sweep_looks_at_so_many_at_once_and_at_everybody_in_the_end() {
    let mut stage = Stage::new(3);
    for n in 0..100 {
        stage.begin(Text::from(format!("key-{}", n % 5).as_bytes()), Position::Start);
    }
    (0..50).for_each(|_| stage.turn());
    stage.readers.stories.values_mut().for_each(|story| story.is_open = false);
    stage.hubs.begin_sweep();
    let mut parts = 0;
    while !stage.hubs.by_key.is_empty() {
        stage.readers.looks = 0;
        stage.hubs.sweep(7, &mut stage.readers, |_| true);
        assert!(stage.readers.looks <= 7, "{} looks", stage.readers.looks);
        parts += 1;
        assert!(parts <= 100, "a sweep that ends");
    }
    let wishes = stage.hubs.take_wishes();
    assert_eq!(wishes.iter().filter(|sent| matches!(sent.wish, Wish::Unlisten(_))).count(), 5);
}

/// Questions on behalf of readers, by connection.
fn asked(stage: &Stage) -> HashMap<SessionKey, usize> {
    let mut asked = HashMap::new();
    for news in &stage.news {
        if let News::Told(Told { question, .. }) = news
            && let Some(seat) = question.seat
        {
            *asked.entry(seat.session).or_default() += 1;
        }
    }
    asked
}

#[test]
fn a_connection_that_takes_nothing_more_is_left_where_it_is_and_costs_nothing() {
    let mut stage = Stage::new(5);
    stage.may_end = false;
    let key = Text::from(b"key-0");
    (0..600).for_each(|_| stage.append(&key, 1_000));
    (0..40).for_each(|_| stage.begin(key.clone(), Position::Start));
    // Each stops somewhere else, where the newest entries that are kept do not reach.
    for slot in 0..8 {
        stage.readers.left.insert(SessionKey { slot, generation: 0 }, 10 + 40 * slot as usize);
    }
    let mut questions = 0;
    for _ in 0..300 {
        stage.send();
        questions += asked(&stage).values().sum::<usize>();
        stage.turn();
    }
    assert!(stage.readers.left.values().all(|left| *left == 0), "everybody took what there was room for");
    assert!(questions <= 40 * 8, "{questions} questions");
    stage.readers.refused = 0;
    for _ in 0..100 {
        stage.append(&key, 1_000);
        stage.send();
        assert!(asked(&stage).is_empty(), "nobody is asked for who takes nothing");
        stage.turn();
    }
    assert_eq!(stage.readers.refused, 0, "nor offered anything");
    stage.readers.left.clear();
    stage.settle();
}

#[test]
fn of_one_connection_a_few_questions_are_asked_at_once() {
    let mut stage = Stage::new(6);
    stage.may_end = false;
    let session = SessionKey { slot: 1, generation: 0 };
    for n in 0..100 {
        let key = Text::from(format!("many-{n}").as_bytes());
        (0..3).for_each(|_| stage.append(&key, 10));
        stage.begin_at(session, key, Position::Start);
    }
    stage.readers.left.insert(session, 30);
    let mut questions = 0;
    for _ in 0..200 {
        stage.send();
        let under_way = asked(&stage).values().sum::<usize>();
        assert!(under_way <= limit::FOLLOWS_PER_SESSION_MAX, "{under_way} questions at once");
        questions += under_way;
        stage.turn();
    }
    // Ten of them were enough to fill it.
    assert!((10..10 + limit::FOLLOWS_PER_SESSION_MAX).contains(&questions), "{questions} questions");
    stage.readers.left.clear();
    stage.settle();
    assert!(stage.readers.stories.values().all(|story| story.entries == 3), "everything, once there is room");
}
