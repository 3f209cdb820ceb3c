//! Turns, slots and breakers, without a store.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::breaker::BreakerRules;

const LIMITS: Limits = Limits {
    total: 16,
    per_client: 8,
    seats: 24,
    breaker: BreakerRules { failures: 3, pause: Duration::from_secs(5), max_pause: Duration::from_mins(1) },
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn id(text: &str) -> ClientId {
    text.parse().unwrap()
}

fn allocator() -> Allocator {
    Allocator::new(LIMITS)
}

/// An allocator that has heard of these clients' relying parties.
fn with_proven(clients: &[&str]) -> Allocator {
    let mut allocator = allocator();
    for client in clients {
        allocator.answered(&id(client));
    }
    allocator
}

/// The turns at `now`, as (client, any, first).
fn turns(allocator: &mut Allocator, now: i64) -> Vec<(String, u32, u32)> {
    let grants = allocator.plan_turns(at(now));
    grants.into_iter().map(|it| (it.client_id.to_string(), it.any, it.first)).collect()
}

fn turn(client: &str, any: u32, first: u32) -> (String, u32, u32) {
    (client.to_owned(), any, first)
}

fn give_back(allocator: &mut Allocator, client: &str, slots: u32) {
    for _ in 0..slots {
        allocator.give_back(&id(client), SlotKind::Shared);
    }
}

const SHARED: Option<Place> = Some(Place::Slot(SlotKind::Shared));
const RESERVED: Option<Place> = Some(Place::Slot(SlotKind::Reserved));

#[test]
fn only_what_is_due_gets_a_turn_and_only_once() {
    let mut allocator = with_proven(&["now"]);
    allocator.note_due(&id("now"), at(10));
    allocator.note_due(&id("later"), at(20));
    assert_eq!(allocator.next_due(at(0)), Some(at(10)));
    assert_eq!(turns(&mut allocator, 10), [turn("now", 8, 0)]);
    assert_eq!(turns(&mut allocator, 10), []);
    assert_eq!(allocator.next_due(at(10)), Some(at(20)));
}

#[test]
fn a_client_at_its_cap_waits_for_its_own_slots() {
    let mut allocator = with_proven(&["slow"]);
    allocator.note_due(&id("slow"), at(0));
    assert_eq!(turns(&mut allocator, 0), [turn("slow", 8, 0)]);
    allocator.note_due(&id("slow"), at(0));
    assert_eq!(allocator.next_due(at(0)), None);
    assert_eq!(turns(&mut allocator, 0), []);
    give_back(&mut allocator, "slow", 2);
    assert_eq!(turns(&mut allocator, 0), [turn("slow", 2, 0)]);
}

#[test]
fn a_stranger_has_one_attempt_until_it_answers() {
    let mut allocator = allocator();
    allocator.note_due(&id("new"), at(0));
    assert_eq!(turns(&mut allocator, 0), [turn("new", 1, 0)]);
    allocator.note_due(&id("new"), at(0));
    assert_eq!(turns(&mut allocator, 0), []);
    assert_eq!(allocator.take(&id("new"), at(0)), None);
    allocator.answered(&id("new"));
    give_back(&mut allocator, "new", 1);
    assert_eq!(turns(&mut allocator, 0), [turn("new", 8, 0)]);

    // One that was heard of once, and did nothing, is forgotten.
    assert_eq!(allocator.take(&id("other"), at(0)), SHARED);
    give_back(&mut allocator, "other", 1);
    assert_eq!(allocator.lines.len(), 1);
}

#[test]
fn new_deliveries_take_seats_behind_a_relying_party_that_works() {
    let mut allocator = with_proven(&["shop"]);
    let shop = id("shop");
    for _ in 0..8 {
        assert_eq!(allocator.take(&shop, at(0)), SHARED);
    }
    for _ in 0..LIMITS.seats_per_client() {
        assert_eq!(allocator.take(&shop, at(0)), Some(Place::Seat));
        allocator.sit(&shop);
    }
    assert_eq!(allocator.take(&shop, at(0)), None, "no client has all the seats");

    give_back(&mut allocator, "shop", 3);
    // Those that sit go first, whoever comes meanwhile.
    assert_eq!(allocator.take(&shop, at(0)), None);
    assert_eq!(allocator.next_due(at(0)), Some(at(0)));
    let grant = allocator.plan_turns(at(0)).remove(0);
    assert_eq!((grant.any, grant.source), (3, Source::Seats));
    for _ in 0..3 {
        allocator.leave_seat(&shop, true);
    }
    assert_eq!(allocator.take(&shop, at(0)), Some(Place::Seat));

    // What is due in the store is leased with seats for more of it.
    let mut busy = with_proven(&["busy"]);
    busy.note_due(&id("busy"), at(0));
    let grant = busy.plan_turns(at(0)).remove(0);
    assert_eq!((grant.any, grant.seats), (8, 12));

    // Behind one that fails nobody sits down.
    allocator.failed(&shop, false, at(0), 0.0);
    assert_eq!(allocator.take(&shop, at(0)), None);
}

#[test]
fn who_waited_longest_is_served_first_where_slots_are_short() {
    let mut allocator = allocator();
    let clients: Vec<String> = (0..20).map(|n| format!("c{n:02}")).collect();
    let due = |allocator: &mut Allocator| clients.iter().for_each(|it| allocator.note_due(&id(it), at(0)));
    due(&mut allocator);
    let first: Vec<String> = turns(&mut allocator, 0).into_iter().map(|it| it.0).collect();
    // 12 shared slots, then the reserve for 4 more of them.
    assert_eq!(first, clients[..16]);
    due(&mut allocator);
    for client in &first[..12] {
        allocator.give_back(&id(client), SlotKind::Shared);
    }
    let second: Vec<String> = turns(&mut allocator, 0).into_iter().map(|it| it.0).collect();
    assert_eq!(second[..4], clients[16..]);
}

#[test]
fn the_reserve_is_for_first_attempts_of_clients_that_are_well_and_have_few() {
    let mut allocator = with_proven(&["h1", "h2", "new", "other"]);
    for hanging in ["h1", "h2"] {
        allocator.note_due(&id(hanging), at(0));
    }
    // All the shared slots, and none of the reserve.
    assert_eq!(turns(&mut allocator, 0), [turn("h1", 6, 0), turn("h2", 6, 0)]);
    for hanging in ["h1", "h2"] {
        (0..LIMITS.seats_per_client()).for_each(|_| allocator.leave_seat(&id(hanging), false));
    }
    assert_eq!(allocator.take(&id("h1"), at(0)), Some(Place::Seat));
    allocator.failed(&id("failing"), false, at(0), 0.0);
    assert_eq!(allocator.take(&id("failing"), at(0)), None);
    for _ in 0..2 {
        assert_eq!(allocator.take(&id("new"), at(0)), RESERVED);
    }
    assert_eq!(allocator.take(&id("new"), at(0)), Some(Place::Seat), "it has had its part");
    allocator.note_due(&id("other"), at(0));
    assert_eq!(turns(&mut allocator, 0), [turn("other", 0, 2)]);
    assert_eq!(allocator.take(&id("late"), at(0)), None, "the reserve is used up");
}

#[test]
fn an_open_breaker_holds_everything_back_but_one_probe() {
    let mut allocator = allocator();
    let down = id("down");
    for expected in [false, false, true] {
        assert_eq!(allocator.failed(&down, false, at(0), 0.0), expected);
    }
    allocator.note_due(&down, at(0));
    assert_eq!(turns(&mut allocator, 4), []);
    assert_eq!(allocator.take(&down, at(4)), None);
    assert_eq!(allocator.next_due(at(4)), Some(at(5)));
    assert_eq!(turns(&mut allocator, 5), [turn("down", 1, 0)]);
    allocator.note_due(&down, at(0));
    assert_eq!(turns(&mut allocator, 5), [], "one probe at a time");
    assert_eq!(allocator.take_changed_breakers().len(), 1);

    // It fails, then the next one goes well.
    assert!(allocator.failed(&down, false, at(6), 0.0));
    give_back(&mut allocator, "down", 1);
    assert_eq!(turns(&mut allocator, 15), []);
    assert_eq!(turns(&mut allocator, 16), [turn("down", 1, 0)]);
    allocator.answered(&down);
    give_back(&mut allocator, "down", 1);
    allocator.note_due(&down, at(0));
    assert_eq!(turns(&mut allocator, 16), [turn("down", 8, 0)]);
    assert_eq!(allocator.take_changed_breakers(), BTreeMap::from([(down, None)]));
}

#[test]
fn one_turn_in_four_begins_with_retries_and_so_does_a_probe() {
    let mut allocator = with_proven(&["shop"]);
    let source = |allocator: &mut Allocator, now: i64| {
        allocator.note_due(&id("shop"), at(0));
        let grant = allocator.plan_turns(at(now)).remove(0);
        give_back(allocator, "shop", grant.any);
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
    allocator.note_due(&id("shop"), at(1_005));
    allocator.restore(&id("down"), OpenBreaker { since: at(900), until: at(1_020), probes: 0 });
    allocator.note_due(&id("down"), at(1_000));
    allocator.bring_forward(Duration::from_mins(10), at(400));
    assert_eq!(allocator.next_due(at(400)), Some(at(405)));
    assert_eq!(turns(&mut allocator, 420).len(), 2);
}

#[derive(Clone, Debug)]
enum Step {
    Due(usize),
    Take(usize),
    Sit(usize),
    Plan,
    GiveBack(usize),
    Fail(usize),
    Answer(usize),
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..5_usize).prop_map(Step::Due),
        (0..5_usize).prop_map(Step::Take),
        (0..64_usize).prop_map(Step::Sit),
        Just(Step::Plan),
        (0..64_usize).prop_map(Step::GiveBack),
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
        // Seats that were taken, and those where a delivery sits.
        let mut seats: Vec<ClientId> = Vec::new();
        let mut sitting: Vec<ClientId> = Vec::new();
        let client = |n: usize| id(&format!("c{n}"));
        for step in steps {
            match step {
                Step::Due(n) => allocator.note_due(&client(n), at(now)),
                Step::Take(n) => match allocator.take(&client(n), at(now)) {
                    Some(Place::Slot(kind)) => held.push((client(n), kind)),
                    Some(Place::Seat) => seats.push(client(n)),
                    None => {}
                },
                Step::Sit(n) if !seats.is_empty() => {
                    let client_id = seats.swap_remove(n % seats.len());
                    if n % 3 == 0 {
                        allocator.leave_seat(&client_id, false);
                    } else {
                        allocator.sit(&client_id);
                        sitting.push(client_id);
                    }
                }
                Step::Sit(_) => {}
                Step::Plan => {
                    for grant in allocator.plan_turns(at(now)) {
                        let slots = grant.any + grant.first;
                        seats.extend((0..grant.seats).map(|_| grant.client_id.clone()));
                        for n in 0..slots {
                            let kind = if n < grant.any { SlotKind::Shared } else { SlotKind::Reserved };
                            held.push((grant.client_id.clone(), kind));
                            if grant.source == Source::Seats
                                && let Some(at) = sitting.iter().position(|it| *it == grant.client_id)
                            {
                                allocator.leave_seat(&sitting.remove(at), true);
                            }
                        }
                    }
                }
                Step::GiveBack(n) if !held.is_empty() => {
                    let (client_id, kind) = held.swap_remove(n % held.len());
                    allocator.give_back(&client_id, kind);
                }
                Step::GiveBack(_) => {}
                Step::Fail(n) => drop(allocator.failed(&client(n), false, at(now), 0.5)),
                Step::Answer(n) => allocator.answered(&client(n)),
                Step::Pass(seconds) => now += seconds,
            }
            prop_assert_eq!(allocator.in_flight() as usize, held.len());
            prop_assert_eq!(allocator.seated as usize, seats.len() + sitting.len());
            prop_assert!(allocator.seated <= LIMITS.seats);
            prop_assert!(held.len() <= LIMITS.total as usize);
            for n in 0..5 {
                let own = held.iter().filter(|(it, _)| *it == client(n)).count();
                prop_assert!(own <= LIMITS.per_client as usize);
            }
        }
        for (client_id, kind) in held {
            allocator.give_back(&client_id, kind);
        }
        prop_assert_eq!(allocator.in_flight(), 0);
    }
}
