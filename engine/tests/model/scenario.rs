//! What operators, clocks and the network do to a run, drawn from its seed.

use super::driver::World;
use sluice_engine::command::Command;
use sluice_engine::zone::settings::{Mode, ZoneName, ZonePatch};

/// In one of so many runs the zones are flooded.
const FLOOD_EVERY: u64 = 40;
const MODES: [Mode; 8] =
    [Mode::Auto, Mode::Auto, Mode::Auto, Mode::Auto, Mode::Auto, Mode::Paused, Mode::Open, Mode::Closed];

/// A world with two zones and a crowd on its way.
pub(crate) fn begin(seed: u64) -> World {
    let mut world = World::new(seed);
    for name in world.names.clone() {
        create(&mut world, name);
    }
    let now = world.now;
    world.step(now + 10);
    let (count, span_ms) = (world.rng.usize(20..120), world.rng.u64(1_000..60_000));
    world.crowd(count, span_ms);
    if seed.is_multiple_of(FLOOD_EVERY) {
        flood(&mut world);
    }
    world
}

/// Many more waiters than one block has places.
fn flood(world: &mut World) {
    for name in world.names.clone() {
        let patch = ZonePatch { max_waiting: Some(5_000), ..ZonePatch::default() };
        world.operate(Command::ZoneSet { name, patch: Box::new(patch) });
    }
    world.crowd(2_600, 20_000);
}

/// Runs for `span_ms`; something happens every few seconds.
pub(crate) fn run(world: &mut World, span_ms: u64) {
    let until = world.now + span_ms;
    while world.now < until {
        let calm_ms = world.rng.u64(500..12_000);
        let next = (world.now + calm_ms).min(until);
        while world.now < next {
            world.step(next);
        }
        happen(world);
    }
}

fn happen(world: &mut World) {
    let name = world.names[world.rng.usize(0..world.names.len())].clone();
    match world.rng.u8(0..100) {
        0..40 => change(world, name),
        40..46 => world.operate(Command::ZoneDelete { name }),
        46..56 => create(world, name),
        56..64 => {
            let ms = if world.rng.bool() { 1_500..20_000 } else { 60_000..10_000_000 };
            let ms = world.rng.u64(ms);
            world.pause(ms);
        }
        64..80 => trouble(world),
        80..90 => {
            let count = world.rng.usize(1..30);
            world.crowd(count, 200);
        }
        _ => {}
    }
}

fn trouble(world: &mut World) {
    let refuse = if world.rng.bool() { world.rng.u8(0..100) } else { 0 };
    let delay = if world.rng.bool() { world.rng.u64(0..8) } else { 0 };
    let mut link = world.flaky.link();
    (link.refuse_percent, link.delay_turns) = (refuse, delay);
    drop(link);
    world.disturb();
    let until = world.now + world.rng.u64(100..6_000);
    while world.now < until {
        world.step(until);
        // Operators go on meanwhile: what was proposed before their change is decided after it.
        if world.rng.u8(0..25) == 0 {
            let name = world.names[world.rng.usize(0..world.names.len())].clone();
            let patch = match world.rng.u8(0..5) {
                0 => ZonePatch { mode: Some(Mode::Paused), ..ZonePatch::default() },
                1 => ZonePatch { slice_ms: Some(1_000), ..ZonePatch::default() },
                2 => ZonePatch { limit: Some(world.rng.u32(1..10)), ..ZonePatch::default() },
                3 => ZonePatch { pass_ttl_ms: Some(world.rng.u32(15_000..90_000)), ..ZonePatch::default() },
                _ => ZonePatch { mode: Some(Mode::Auto), ..ZonePatch::default() },
            };
            world.operate(Command::ZoneSet { name, patch: Box::new(patch) });
        }
    }
    let mut link = world.flaky.link();
    (link.refuse_percent, link.delay_turns) = (0, 0);
    drop(link);
    while world.flaky.on_the_way() > 0 {
        let next = world.now + 20;
        world.step(next);
    }
}

fn create(world: &mut World, name: ZoneName) {
    let rng = &mut world.rng;
    let window_ms = rng.u32(1_000..=60_000);
    let poll_ms = rng.u32(100..4_000);
    let patch = ZonePatch {
        limit: Some(limit(rng)),
        window_ms: Some(window_ms),
        slice_ms: Some(rng.u32(100..=window_ms)),
        poll_ms: Some(poll_ms),
        abandon_ms: Some(2 * poll_ms + 2_001 + rng.u32(0..20_000)),
        max_waiting: Some(rng.u64(5..100)),
        // Long enough for a pass to be seen that was given by a delayed batch.
        pass_ttl_ms: Some(rng.u32(15_000..90_000)),
        ..ZonePatch::default()
    };
    if world.reference.by_name(&name).is_none() {
        world.operate(Command::ZoneSet { name, patch: Box::new(patch) });
    }
}

fn change(world: &mut World, name: ZoneName) {
    let rng = &mut world.rng;
    let some = |rng: &mut fastrand::Rng| rng.u8(0..3) == 0;
    let mode = MODES[rng.usize(0..MODES.len())];
    let patch = ZonePatch {
        limit: some(rng).then(|| limit(rng)),
        window_ms: some(rng).then(|| rng.u32(500..=60_000)),
        slice_ms: some(rng).then(|| rng.u32(100..=10_000)),
        poll_ms: some(rng).then(|| rng.u32(100..4_000)),
        abandon_ms: some(rng).then(|| rng.u32(2_000..30_000)),
        mode: some(rng).then_some(mode),
        ..ZonePatch::default()
    };
    world.operate(Command::ZoneSet { name, patch: Box::new(patch) });
}

fn limit(rng: &mut fastrand::Rng) -> u32 {
    let most = [3, 20, 300][rng.usize(0..3)];
    rng.u32(1..most)
}
