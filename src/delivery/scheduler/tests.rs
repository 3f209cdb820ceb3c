//! Permits, the buffer and leases around the allocator, which has tests of its own.

use super::*;
use crate::domain::breaker::BreakerRules;
use crate::domain::client::Client;
use crate::domain::delivery::Intent;
use crate::domain::initiator::Initiator;
use crate::domain::metadata::SessionMetadata;
use crate::storage::Lease;

const LIMITS: Limits = Limits {
    total: 8,
    per_client: 2,
    buffer: 8,
    breaker: BreakerRules { failures: 1, pause: Duration::from_secs(5), max_pause: Duration::from_mins(1) },
};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn shop() -> ClientId {
    "shop".parse().unwrap()
}

fn delivery(number: u128) -> LeasedDelivery {
    let intent = Intent {
        id: DeliveryId(Uuid::from_u128(number)),
        session_key: None,
        sid: Some("s-1".parse().unwrap()),
        sub: None,
        sub_is_public: true,
        client_id: shop(),
        initiator: Initiator::RpLogout,
        session_metadata: SessionMetadata::default(),
        created_at: NOW,
        expires_at: Timestamp::MAX,
    };
    LeasedDelivery {
        intent,
        client: Arc::new(Client::new(shop())),
        attempts: 0,
        failures: 0,
        outcome_unknown: false,
        lease: Lease { token: Uuid::nil(), until: Timestamp::MAX },
    }
}

/// A scheduler in which the client is proven.
fn scheduler() -> Arc<Scheduler> {
    let scheduler = Scheduler::new(LIMITS);
    scheduler.answered(&shop());
    scheduler
}

/// Two slots, and buffer space, as the client's limits are.
fn reserve_three(scheduler: &Arc<Scheduler>) -> (Vec<Slot>, BufferSpace) {
    let shop = shop();
    let (placements, _) = scheduler.reserve(&[&shop, &shop, &shop], NOW);
    let (mut slots, mut space) = (Vec::new(), None);
    for placement in placements {
        match placement.unwrap() {
            Placement::Slot(slot) => slots.push(slot),
            Placement::Buffer(buffer) => space = Some(buffer),
        }
    }
    (slots, space.unwrap())
}

fn ids(deliveries: &[LeasedDelivery]) -> Vec<u128> {
    deliveries.iter().map(|it| it.intent.id.0.as_u128()).collect()
}

#[test]
fn permits_are_given_back_when_they_are_dropped() {
    let scheduler = scheduler();
    for _ in 0..2 {
        let (slots, space) = reserve_three(&scheduler);
        assert_eq!((slots.len(), scheduler.in_flight()), (2, 2));
        drop((slots, space));
        assert_eq!(scheduler.in_flight(), 0);
    }
}

#[test]
fn a_released_slot_goes_to_a_buffered_delivery() {
    let scheduler = scheduler();
    let (mut slots, space) = reserve_three(&scheduler);
    space.fill(delivery(3));
    assert!(scheduler.plan(NOW).ready.is_empty());
    slots.pop();
    let Work { ready, requests } = scheduler.plan(NOW);
    assert_eq!(ready.iter().map(|it| it.0.intent.id.0.as_u128()).collect::<Vec<_>>(), [3]);
    assert!(requests.is_empty());
    assert_eq!(scheduler.in_flight(), 2);
}

#[test]
fn buffered_deliveries_are_returned_when_a_breaker_opens_or_the_client_changes_or_the_service_drains() {
    let opens = |scheduler: &Scheduler| assert!(scheduler.failed(&shop(), true, NOW, 0.0));
    let changes = |scheduler: &Scheduler| scheduler.client_changed(&shop(), NOW);
    let drains = |scheduler: &Scheduler| scheduler.close();
    for end in [&opens as &dyn Fn(&Scheduler), &changes, &drains] {
        let scheduler = scheduler();
        let (_slots, space) = reserve_three(&scheduler);
        space.fill(delivery(3));
        assert_eq!(ids(&scheduler.take_returned()), []);
        end(&scheduler);
        assert_eq!(ids(&scheduler.take_returned()), [3]);
        assert_eq!(ids(&scheduler.take_returned()), []);
    }
}

#[test]
fn what_was_leased_before_a_client_changed_is_returned() {
    let scheduler = scheduler();
    let (_, version) = scheduler.reserve(&[], NOW);
    assert_eq!(ids(&scheduler.accept(vec![delivery(1)], version)), [1]);
    scheduler.client_changed(&shop(), NOW);
    assert_eq!(ids(&scheduler.accept(vec![delivery(2)], version)), []);
    assert_eq!(ids(&scheduler.take_returned()), [2]);
}

#[test]
fn a_lease_request_gives_back_what_it_did_not_use() {
    let scheduler = scheduler();
    scheduler.note_due(&shop(), DueTimes::either(NOW));
    let Work { requests, .. } = scheduler.plan(NOW);
    assert_eq!(requests[0].turn().any, 2 + LIMITS.buffer_per_client());
    assert_eq!(scheduler.in_flight(), 2);
    let turn = LeasedTurn {
        client_id: shop(),
        deliveries: vec![delivery(1)],
        due: DueTimes::either(Timestamp::MAX),
    };
    let admitted = scheduler.admit(requests, vec![turn]);
    assert_eq!(admitted.len(), 1);
    assert_eq!(scheduler.in_flight(), 1);
    assert!(scheduler.holds_lease(DeliveryId(Uuid::from_u128(1)), Uuid::nil(), NOW));
    drop(admitted);
    assert_eq!(reserve_three(&scheduler).0.len(), 2, "the buffer space is free again too");
}

#[test]
fn a_turn_for_which_the_store_failed_is_planned_again() {
    let scheduler = scheduler();
    scheduler.note_due(&shop(), DueTimes::either(NOW));
    let Work { requests, .. } = scheduler.plan(NOW);
    assert_eq!(scheduler.next_due(NOW), None);
    scheduler.lease_failed(&requests, NOW);
    drop(requests);
    assert_eq!(scheduler.next_due(NOW), Some(NOW));
    assert_eq!(scheduler.plan(NOW).requests.len(), 1);
}

#[test]
fn a_lease_is_over_only_under_its_own_token() {
    let scheduler = scheduler();
    let (_, version) = scheduler.reserve(&[], NOW);
    let id = delivery(1).intent.id;
    scheduler.accept(vec![delivery(1)], version);
    scheduler.leases_ended([(id, Uuid::max())]);
    assert!(scheduler.holds_lease(id, Uuid::nil(), NOW));
    assert!(!scheduler.holds_lease(id, Uuid::max(), NOW));
    scheduler.leases_ended([(id, Uuid::nil())]);
    assert!(!scheduler.holds_lease(id, Uuid::nil(), NOW));
}

/// Attempts that hang, of other clients, in all shared slots.
fn occupy_shared_slots(scheduler: &Arc<Scheduler>) -> Vec<Option<Placement>> {
    let clients: Vec<ClientId> =
        (0..LIMITS.shared()).map(|n| format!("hanging{n}").parse().unwrap()).collect();
    scheduler.reserve(&clients.iter().collect::<Vec<_>>(), NOW).0
}

#[test]
fn retries_in_the_store_wait_for_a_shared_slot_without_another_request() {
    let scheduler = Scheduler::new(LIMITS);
    let mut hanging = occupy_shared_slots(&scheduler);
    // Which kind is due is not known yet.
    scheduler.note_due(&shop(), DueTimes::either(NOW));
    let Work { requests, .. } = scheduler.plan(NOW);
    assert_eq!((requests[0].turn().any, requests[0].turn().first), (0, 1));
    let due = DueTimes { retry: Some(NOW), ..DueTimes::default() };
    let nothing = LeasedTurn { client_id: shop(), deliveries: Vec::new(), due };
    assert!(scheduler.admit(requests, vec![nothing]).is_empty());
    assert_eq!(scheduler.next_due(NOW), None);
    assert!(scheduler.plan(NOW).requests.is_empty());

    hanging.pop();
    assert_eq!(scheduler.next_due(NOW), Some(NOW));
    assert_eq!(scheduler.plan(NOW).requests[0].turn().any, 1);
}

#[test]
fn retries_in_the_buffer_wait_for_a_shared_slot_and_first_attempts_do_not() {
    let scheduler = scheduler();
    let mut hanging = occupy_shared_slots(&scheduler);
    scheduler.note_due(&shop(), DueTimes::either(NOW));
    let Work { requests, .. } = scheduler.plan(NOW);
    let retry = LeasedDelivery { attempts: 1, ..delivery(1) };
    let turn = LeasedTurn { client_id: shop(), deliveries: vec![retry], due: DueTimes::default() };
    assert!(scheduler.admit(requests, vec![turn]).is_empty());
    assert_eq!(scheduler.next_due(NOW), None);

    let ready = |scheduler: &Arc<Scheduler>| -> Vec<LeasedDelivery> {
        scheduler.plan(NOW).ready.into_iter().map(|it| it.0).collect()
    };
    assert_eq!(ids(&ready(&scheduler)), []);
    let shop = shop();
    let Some(Placement::Buffer(space)) = scheduler.reserve(&[&shop], NOW).0.remove(0) else {
        panic!("no space")
    };
    space.fill(delivery(2));
    assert_eq!(ids(&ready(&scheduler)), [2]);
    hanging.pop();
    assert_eq!(ids(&ready(&scheduler)), [1]);
}
