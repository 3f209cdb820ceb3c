//! Slots, turns, the buffer and breakers, without a store.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::breaker::BreakerRules;
use crate::storage::Order;

const LIMITS: Limits = Limits {
    total: 16,
    per_client: 8,
    buffer: 24,
    breaker: BreakerRules { failures: 3, pause: Duration::from_secs(5), max_pause: Duration::from_mins(1) },
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn id(text: &str) -> ClientId {
    text.parse().unwrap()
}

fn either(second: i64) -> DueTimes {
    DueTimes::either(at(second))
}

fn first_attempt(second: i64) -> DueTimes {
    DueTimes { first_attempt: Some(at(second)), ..DueTimes::default() }
}

fn retry(second: i64) -> DueTimes {
    DueTimes { retry: Some(at(second)), ..DueTimes::default() }
}

fn allocator() -> Allocator {
    Allocator::new(LIMITS)
}

/// An allocator in which these clients are proven.
fn with_proven(clients: &[&str]) -> Allocator {
    let mut allocator = allocator();
    for client in clients {
        allocator.answered(&id(client));
    }
    allocator
}

/// The turns at `now`, as (client, shared, reserved).
fn turns(allocator: &mut Allocator, now: i64) -> Vec<(String, u32, u32)> {
    let grants = allocator.plan_turns(at(now));
    grants.into_iter().map(|it| (it.client_id.to_string(), it.shared, it.reserved)).collect()
}

fn turn(client: &str, shared: u32, reserved: u32) -> (String, u32, u32) {
    (client.to_owned(), shared, reserved)
}

fn release(allocator: &mut Allocator, client: &str, slots: u32) {
    for _ in 0..slots {
        allocator.release_slots(&id(client), SlotKind::Shared, 1);
    }
}

const SHARED: Option<Place> = Some(Place::Slot(SlotKind::Shared));
const RESERVED: Option<Place> = Some(Place::Slot(SlotKind::Reserved));

#[test]
fn only_what_is_due_gets_a_turn_and_only_once() {
    let mut allocator = with_proven(&["now"]);
    allocator.note_due(&id("now"), either(10));
    allocator.note_due(&id("later"), either(20));
    assert_eq!(allocator.next_due(at(0)), Some(at(10)));
    assert_eq!(turns(&mut allocator, 10), [turn("now", 8, 0)]);
    assert_eq!(turns(&mut allocator, 10), []);
    assert_eq!(allocator.next_due(at(10)), Some(at(20)));
}

#[test]
fn a_client_at_its_cap_waits_for_its_own_slots() {
    let mut allocator = with_proven(&["slow"]);
    allocator.note_due(&id("slow"), either(0));
    assert_eq!(turns(&mut allocator, 0), [turn("slow", 8, 0)]);
    allocator.note_due(&id("slow"), either(0));
    assert_eq!(allocator.next_due(at(0)), None);
    assert_eq!(turns(&mut allocator, 0), []);
    release(&mut allocator, "slow", 2);
    assert_eq!(turns(&mut allocator, 0), [turn("slow", 2, 0)]);
}

#[test]
fn an_unproven_client_has_one_attempt_until_it_answers() {
    let mut allocator = allocator();
    allocator.note_due(&id("new"), either(0));
    assert_eq!(turns(&mut allocator, 0), [turn("new", 1, 0)]);
    allocator.note_due(&id("new"), either(0));
    assert_eq!(turns(&mut allocator, 0), []);
    assert_eq!(allocator.place(&id("new"), at(0)), None);
    allocator.answered(&id("new"));
    release(&mut allocator, "new", 1);
    assert_eq!(turns(&mut allocator, 0), [turn("new", 8, 0)]);

    // A client that was tried once, without an answer, is forgotten.
    assert_eq!(allocator.place(&id("other"), at(0)), SHARED);
    release(&mut allocator, "other", 1);
    assert_eq!(allocator.clients.len(), 1);
}

#[test]
fn new_deliveries_are_buffered_for_a_client_that_works() {
    let mut allocator = with_proven(&["shop"]);
    let shop = id("shop");
    for _ in 0..8 {
        assert_eq!(allocator.place(&shop, at(0)), SHARED);
    }
    for _ in 0..LIMITS.buffer_per_client() {
        assert_eq!(allocator.place(&shop, at(0)), Some(Place::Buffer));
        allocator.fill_buffer(&shop, true);
    }
    assert_eq!(allocator.place(&shop, at(0)), None, "no client has the whole buffer");

    release(&mut allocator, "shop", 3);
    // The buffered ones go first, before those that come now.
    assert_eq!(allocator.place(&shop, at(0)), None);
    assert_eq!(allocator.next_due(at(0)), Some(at(0)));
    let grant = allocator.plan_turns(at(0)).remove(0);
    assert_eq!((grant.shared, grant.source), (3, Source::Buffer));
    for _ in 0..3 {
        allocator.remove_buffered(&shop, true);
    }
    assert_eq!(allocator.place(&shop, at(0)), Some(Place::Buffer));

    // What is due in the store is leased with buffer space for more of it.
    let mut busy = with_proven(&["busy"]);
    busy.note_due(&id("busy"), either(0));
    let grant = busy.plan_turns(at(0)).remove(0);
    assert_eq!((grant.shared, grant.buffer), (8, 12));

    // For one that fails nothing is buffered.
    allocator.failed(&shop, false, at(0), 0.0);
    assert_eq!(allocator.place(&shop, at(0)), None);
}

#[test]
fn the_client_that_waited_longest_comes_first_where_slots_are_short() {
    let mut allocator = allocator();
    let clients: Vec<String> = (0..20).map(|n| format!("c{n:02}")).collect();
    let due =
        |allocator: &mut Allocator| clients.iter().for_each(|it| allocator.note_due(&id(it), either(0)));
    due(&mut allocator);
    let first: Vec<String> = turns(&mut allocator, 0).into_iter().map(|it| it.0).collect();
    // 12 shared slots, then the reserved ones for 4 more of them.
    assert_eq!(first, clients[..16]);
    due(&mut allocator);
    for client in &first[..12] {
        allocator.release_slots(&id(client), SlotKind::Shared, 1);
    }
    let second: Vec<String> = turns(&mut allocator, 0).into_iter().map(|it| it.0).collect();
    assert_eq!(second[..4], clients[16..]);
}

#[test]
fn reserved_slots_are_for_first_attempts_of_healthy_clients_with_few_in_flight() {
    let mut allocator = with_proven(&["h1", "h2", "new", "other"]);
    for hanging in ["h1", "h2"] {
        allocator.note_due(&id(hanging), either(0));
    }
    // All the shared slots, and none of the reserved ones.
    assert_eq!(turns(&mut allocator, 0), [turn("h1", 6, 0), turn("h2", 6, 0)]);
    for hanging in ["h1", "h2"] {
        (0..LIMITS.buffer_per_client()).for_each(|_| allocator.release_buffer(&id(hanging), 1));
    }
    assert_eq!(allocator.place(&id("h1"), at(0)), Some(Place::Buffer));
    allocator.failed(&id("failing"), false, at(0), 0.0);
    assert_eq!(allocator.place(&id("failing"), at(0)), None);
    for _ in 0..2 {
        assert_eq!(allocator.place(&id("new"), at(0)), RESERVED);
    }
    assert_eq!(allocator.place(&id("new"), at(0)), Some(Place::Buffer), "it has its part of them");
    allocator.note_due(&id("other"), either(0));
    assert_eq!(turns(&mut allocator, 0), [turn("other", 0, 2)]);
    assert_eq!(allocator.place(&id("late"), at(0)), None, "all reserved slots are taken");
}

/// An allocator in which these clients are proven, and attempts that hang have all shared slots.
fn overloaded(proven: &[&str]) -> Allocator {
    let mut allocator = with_proven(proven);
    for n in 0..LIMITS.shared() {
        assert_eq!(allocator.place(&id(&format!("hanging{n}")), at(0)), SHARED);
    }
    allocator
}

#[test]
fn retries_in_the_store_get_no_reserved_slots() {
    for proven in [&["shop"][..], &[]] {
        let mut allocator = overloaded(proven);
        allocator.note_due(&id("shop"), retry(0));
        assert_eq!(allocator.next_due(at(0)), None);
        assert_eq!(turns(&mut allocator, 0), []);
        release(&mut allocator, "hanging0", 1);
        assert_eq!(allocator.next_due(at(0)), Some(at(0)));
        assert_eq!(turns(&mut allocator, 0), [turn("shop", 1, 0)]);
    }
}

#[test]
fn buffered_retries_get_no_reserved_slots_and_keep_no_first_attempt_from_them() {
    let mut allocator = overloaded(&["shop"]);
    let shop = id("shop");
    allocator.note_due(&shop, first_attempt(0));
    let grant = allocator.plan_turns(at(0)).remove(0);
    assert_eq!((grant.shared, grant.reserved, grant.source), (0, 2, Source::Store(Order::FirstAttempts)));
    // The store has two retries besides, for the buffer.
    allocator.release_slots(&shop, SlotKind::Reserved, 2);
    allocator.release_buffer(&shop, grant.buffer - 2);
    allocator.fill_buffer(&shop, false);
    allocator.fill_buffer(&shop, false);
    assert_eq!(allocator.next_due(at(0)), None);
    assert_eq!(turns(&mut allocator, 0), []);

    // A first attempt in the buffer.
    assert_eq!(allocator.place(&shop, at(0)), Some(Place::Buffer));
    allocator.fill_buffer(&shop, true);
    assert_eq!(allocator.next_due(at(0)), Some(at(0)));
    let grant = allocator.plan_turns(at(0)).remove(0);
    assert_eq!((grant.shared, grant.reserved, grant.source), (0, 1, Source::Buffer));
    allocator.remove_buffered(&shop, true);

    // One in the store.
    allocator.note_due(&shop, first_attempt(0));
    let grant = allocator.plan_turns(at(0)).remove(0);
    assert_eq!((grant.shared, grant.reserved, grant.source), (0, 1, Source::Store(Order::FirstAttempts)));
}

#[test]
fn an_open_breaker_holds_everything_back_but_one_probe() {
    let mut allocator = allocator();
    let down = id("down");
    for expected in [false, false, true] {
        assert_eq!(allocator.failed(&down, false, at(0), 0.0), expected);
    }
    allocator.note_due(&down, either(0));
    assert_eq!(turns(&mut allocator, 4), []);
    assert_eq!(allocator.place(&down, at(4)), None);
    assert_eq!(allocator.next_due(at(4)), Some(at(5)));
    assert_eq!(turns(&mut allocator, 5), [turn("down", 1, 0)]);
    allocator.note_due(&down, either(0));
    assert_eq!(turns(&mut allocator, 5), [], "one probe at a time");
    assert_eq!(allocator.take_changed_breakers().len(), 1);

    // It fails, then the next one goes well.
    assert!(allocator.failed(&down, false, at(6), 0.0));
    release(&mut allocator, "down", 1);
    assert_eq!(turns(&mut allocator, 15), []);
    assert_eq!(turns(&mut allocator, 16), [turn("down", 1, 0)]);
    allocator.answered(&down);
    release(&mut allocator, "down", 1);
    allocator.note_due(&down, either(0));
    assert_eq!(turns(&mut allocator, 16), [turn("down", 8, 0)]);
    assert_eq!(allocator.take_changed_breakers(), BTreeMap::from([(down, None)]));
}

#[test]
fn one_turn_in_four_begins_with_retries_and_so_does_a_probe() {
    let mut allocator = with_proven(&["shop"]);
    let source = |allocator: &mut Allocator, now: i64| {
        allocator.note_due(&id("shop"), either(0));
        let grant = allocator.plan_turns(at(now)).remove(0);
        release(allocator, "shop", grant.shared);
        grant.source
    };
    let sources: Vec<Source> = (0..8).map(|_| source(&mut allocator, 0)).collect();
    let retries =
        |sources: &[Source]| sources.iter().filter(|it| **it == Source::Store(Order::Retries)).count();
    assert_eq!(retries(&sources), 2);

    for _ in 0..3 {
        allocator.failed(&id("shop"), false, at(0), 0.0);
    }
    let probes: Vec<Source> = (0..3).map(|_| source(&mut allocator, 5)).collect();
    assert_eq!(retries(&probes), 3);
}

#[test]
fn a_clock_that_was_set_back_delays_nothing() {
    let mut allocator = allocator();
    allocator.note_due(&id("shop"), either(1_005));
    allocator.restore_breaker(&id("down"), OpenBreaker { since: at(900), until: at(1_020), probes: 0 });
    allocator.note_due(&id("down"), either(1_000));
    allocator.bring_forward(Duration::from_mins(10), at(400));
    assert_eq!(allocator.next_due(at(400)), Some(at(405)));
    assert_eq!(turns(&mut allocator, 420).len(), 2);
}

#[derive(Clone, Debug)]
enum Step {
    Due(usize, bool),
    Place(usize),
    FillBuffer(usize),
    Plan,
    Release(usize),
    Fail(usize),
    Answer(usize),
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..5_usize, any::<bool>()).prop_map(|(n, first)| Step::Due(n, first)),
        (0..5_usize).prop_map(Step::Place),
        (0..64_usize).prop_map(Step::FillBuffer),
        Just(Step::Plan),
        (0..64_usize).prop_map(Step::Release),
        (0..5_usize).prop_map(Step::Fail),
        (0..5_usize).prop_map(Step::Answer),
        (1..10_i64).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn limits_hold_whatever_happens(steps in prop::collection::vec(step(), 0..200)) {
        let mut allocator = allocator();
        let mut now = 0;
        let mut held: Vec<(ClientId, SlotKind)> = Vec::new();
        // Buffer space that is taken and empty, and space with a delivery in it.
        let mut empty: Vec<ClientId> = Vec::new();
        let mut filled: Vec<(ClientId, bool)> = Vec::new();
        // What is due in the store. Here and above, `true` stands for first attempts.
        let mut due: HashSet<(ClientId, bool)> = HashSet::new();
        let client = |n: usize| id(&format!("c{n}"));
        for step in steps {
            match step {
                Step::Due(n, first) => {
                    allocator.note_due(&client(n), if first { first_attempt(now) } else { retry(now) });
                    due.insert((client(n), first));
                }
                Step::Place(n) => match allocator.place(&client(n), at(now)) {
                    Some(Place::Slot(kind)) => held.push((client(n), kind)),
                    Some(Place::Buffer) => empty.push(client(n)),
                    None => {}
                },
                Step::FillBuffer(n) if !empty.is_empty() => {
                    let client_id = empty.swap_remove(n % empty.len());
                    if n % 3 == 0 {
                        allocator.release_buffer(&client_id, 1);
                    } else {
                        let first = n % 3 == 1;
                        allocator.fill_buffer(&client_id, first);
                        filled.push((client_id, first));
                    }
                }
                Step::FillBuffer(_) => {}
                Step::Plan => {
                    let next_due = allocator.next_due(at(now));
                    let grants = allocator.plan_turns(at(now));
                    prop_assert_eq!(next_due.is_some_and(|it| it <= at(now)), !grants.is_empty());
                    for Grant { client_id, shared, reserved, buffer, source } in grants {
                        held.extend((0..shared).map(|_| (client_id.clone(), SlotKind::Shared)));
                        held.extend((0..reserved).map(|_| (client_id.clone(), SlotKind::Reserved)));
                        empty.extend((0..buffer).map(|_| client_id.clone()));
                        if let Source::Store(_) = source {
                            let first = due.remove(&(client_id.clone(), true));
                            let retry = due.remove(&(client_id, false));
                            prop_assert!(first || (retry && shared > 0), "nothing to lease for these slots");
                            continue;
                        }
                        let before = filled.len();
                        for n in 0..shared + reserved {
                            let usable = |(it, first): &(ClientId, bool)| *it == client_id && (n < shared || *first);
                            if let Some(found) = filled.iter().position(usable) {
                                let (client_id, first) = filled.remove(found);
                                allocator.remove_buffered(&client_id, first);
                            }
                        }
                        prop_assert!(filled.len() < before, "nothing is buffered for these slots");
                    }
                }
                Step::Release(n) if !held.is_empty() => {
                    let (client_id, kind) = held.swap_remove(n % held.len());
                    allocator.release_slots(&client_id, kind, 1);
                }
                Step::Release(_) => {}
                Step::Fail(n) => drop(allocator.failed(&client(n), false, at(now), 0.5)),
                Step::Answer(n) => allocator.answered(&client(n)),
                Step::Pass(seconds) => now += seconds,
            }
            prop_assert_eq!(allocator.in_flight() as usize, held.len());
            prop_assert_eq!(allocator.buffer_space as usize, empty.len() + filled.len());
            prop_assert!(allocator.buffer_space <= LIMITS.buffer);
            prop_assert!(held.len() <= LIMITS.total as usize);
            for n in 0..5 {
                let own = held.iter().filter(|(it, _)| *it == client(n)).count();
                prop_assert!(own <= LIMITS.per_client as usize);
            }
        }
        for (client_id, kind) in held {
            allocator.release_slots(&client_id, kind, 1);
        }
        prop_assert_eq!(allocator.in_flight(), 0);
    }
}
