use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const ALGS: [SigningAlg; 2] = [SigningAlg::Rs256, SigningAlg::Es256];
const END: i64 = 160;

fn hour(hours: i64) -> Timestamp {
    Timestamp::from_second(hours * 3600).unwrap()
}

fn hours(hours: u64) -> Duration {
    Duration::from_hours(hours)
}

fn policy(rotate_every: Option<u64>, before: u64, after: u64) -> Policy {
    Policy {
        rotate_every: rotate_every.map(hours),
        publish_before: hours(before),
        publish_after: hours(after),
    }
}

fn kid(text: &str) -> Kid {
    text.parse().unwrap()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    Announce,
    AddNow,
    RotateNow,
    RetireCurrent { compromised: bool },
    RetireNext,
    Settle,
}

/// A keyring's life, hour by hour, driven the way `change` drives it.
struct Life {
    schedule: Schedule,
    policy: Policy,
    made: usize,
    /// Keys that were to sign at once, or were the first of their alg.
    forced: BTreeSet<Kid>,
    compromised: BTreeSet<Kid>,
    /// What was current and what was published at the end of each hour.
    history: Vec<(Vec<Kid>, BTreeSet<Kid>)>,
}

impl Life {
    fn add(&mut self, alg: SigningAlg, start: Start, salt: u8, now: Timestamp) {
        self.made += 1;
        let kid = kid(&format!("{salt:02x}-{}", self.made));
        if start == Start::Now || self.schedule.current_at(alg, now).is_none() {
            self.forced.insert(kid.clone());
        }
        self.schedule.add(&kid, alg, start, now, &self.policy);
    }

    fn take_over(&mut self, alg: SigningAlg, salt: u8, now: Timestamp) {
        match self.schedule.next_at(alg, now).cloned() {
            Some(next) => {
                self.schedule.activate(&next, now);
                self.forced.insert(next);
            }
            None => self.add(alg, Start::Now, salt, now),
        }
    }

    fn apply(&mut self, op: Op, alg: SigningAlg, salt: u8, now: Timestamp) {
        match op {
            Op::Announce => self.add(alg, Start::Announced, salt, now),
            Op::AddNow => self.add(alg, Start::Now, salt, now),
            Op::RotateNow => self.take_over(alg, salt, now),
            Op::RetireCurrent { compromised } => {
                let Some(current) = self.schedule.current_at(alg, now).cloned() else { return };
                if compromised {
                    self.schedule.unpublish(&current, now);
                    self.compromised.insert(current);
                } else {
                    self.schedule.retire(&current, now);
                }
                self.take_over(alg, salt, now);
            }
            Op::RetireNext => {
                let Some(next) = self.schedule.next_at(alg, now).cloned() else { return };
                self.schedule.retire(&next, now);
            }
            Op::Settle => {
                let before = self.states(now);
                self.schedule.settle(now);
                assert_eq!(self.states(now), before, "settling must not be seen");
                assert!(!self.schedule.settle(now), "settling again must change nothing");
            }
        }
    }

    fn states(&self, now: Timestamp) -> Vec<(Kid, KeyState, Option<Timestamp>)> {
        let schedule = &self.schedule;
        let state = |(kid, entry): (&Kid, &Entry)| {
            (kid.clone(), schedule.state_at(kid, entry, now), schedule.retired_since(kid, entry, now))
        };
        schedule.iter().map(state).collect()
    }

    fn live(ops: &[(i64, usize, Op, u8)], policy: Policy) -> Self {
        let mut life = Self {
            schedule: Schedule::default(),
            policy,
            made: 0,
            forced: BTreeSet::new(),
            compromised: BTreeSet::new(),
            history: Vec::new(),
        };
        for at in 0..END {
            let now = hour(at);
            for (_, alg, op, salt) in ops.iter().filter(|(when, ..)| *when == at) {
                life.apply(*op, ALGS[*alg], *salt, now);
            }
            for alg in ALGS {
                if let Some(time) = life.schedule.rotation_at(alg, now, &policy) {
                    life.add(alg, Start::At(time), 0x80, now);
                }
            }
            life.note(now);
        }
        life
    }

    fn note(&mut self, now: Timestamp) {
        let schedule = &self.schedule;
        let mut current = Vec::new();
        for alg in ALGS {
            let here: Vec<_> = schedule.in_state(alg, KeyState::Current, now).collect();
            assert!(here.len() <= 1, "{alg} has two current keys: {here:?}");
            current.extend(here.into_iter().map(|(kid, _)| kid.clone()));
            let ever = schedule.of(alg).next().is_some();
            assert_eq!(schedule.current_at(alg, now).is_some(), ever, "{alg} at {now}");
        }
        let published = schedule
            .iter()
            .filter(|(kid, entry)| schedule.is_published_at(kid, entry, now, &self.policy))
            .map(|(kid, _)| kid.clone())
            .collect();
        self.history.push((current, published));
    }

    fn hours_current(&self, kid: &Kid) -> Vec<usize> {
        (0..self.history.len()).filter(|at| self.history[*at].0.contains(kid)).collect()
    }
}

fn ops() -> impl Strategy<Value = Vec<(i64, usize, Op, u8)>> {
    let op = prop_oneof![
        3 => Just(Op::Announce),
        1 => Just(Op::AddNow),
        2 => Just(Op::RotateNow),
        2 => any::<bool>().prop_map(|compromised| Op::RetireCurrent { compromised }),
        1 => Just(Op::RetireNext),
        1 => Just(Op::Settle),
    ];
    prop::collection::vec((0..END, 0..ALGS.len(), op, any::<u8>()), 0..14)
}

proptest! {
    // One current key at most, and never none once there was one, is asserted while it lives.
    #[test]
    fn a_key_is_published_before_and_after_it_signs(
        ops in ops(),
        every in prop::option::of(1_u64..60),
        before in 0_u64..30,
        after in 0_u64..30,
    ) {
        let life = Life::live(&ops, policy(every, before, after));
        for (kid, _) in life.schedule.iter() {
            let signed = life.hours_current(kid);
            let (Some(first), Some(last)) = (signed.first().copied(), signed.last().copied()) else { continue };
            prop_assert_eq!(signed.len(), last - first + 1, "{} came back", kid);
            if !life.forced.contains(kid) {
                let before = usize::try_from(before).unwrap();
                prop_assert!(first >= before);
                for at in first - before..first {
                    prop_assert!(life.history[at].1.contains(kid), "{} signs at {} unseen at {}", kid, first, at);
                }
            }
            if !life.compromised.contains(kid) {
                let end = (last + usize::try_from(after).unwrap()).min(life.history.len() - 1);
                for at in first..=end {
                    prop_assert!(life.history[at].1.contains(kid), "{} signed until {} gone at {}", kid, last, at);
                }
            }
        }
    }

    #[test]
    fn a_retired_key_leaves_the_jwks(ops in ops(), after in 0_i64..30) {
        let after_hours = u64::try_from(after).unwrap();
        let life = Life::live(&ops, policy(Some(40), 5, after_hours));
        let end = hour(END - 1);
        for (kid, entry) in life.schedule.iter() {
            let Some(since) = life.schedule.retired_since(kid, entry, end) else { continue };
            let gone = since.as_second() / 3600 + after;
            if let Some((_, published)) = usize::try_from(gone).ok().and_then(|at| life.history.get(at)) {
                prop_assert!(!published.contains(kid), "{} retired at {} is there at {}", kid, since, gone);
            }
        }
        for kid in &life.compromised {
            prop_assert!(!life.history[life.history.len() - 1].1.contains(kid));
        }
    }

    #[test]
    fn no_key_signs_past_its_rotation(ops in ops(), every in 1_u64..60, before in 0_u64..30) {
        // Taking back an announced key costs another announcement, so those are left out.
        let ops: Vec<_> = ops.into_iter().filter(|(_, _, op, _)| *op != Op::RetireNext).collect();
        let life = Life::live(&ops, policy(Some(every), before, 5));
        let longest = usize::try_from(every.max(before).max(1)).unwrap();
        for (kid, _) in life.schedule.iter() {
            prop_assert!(life.hours_current(kid).len() <= longest, "{} signs {:?}", kid, life.hours_current(kid));
        }
    }
}

#[test]
fn the_first_signs_at_once_and_the_second_after_its_announcement() {
    let policy = policy(None, 24, 12);
    let mut schedule = Schedule::default();
    schedule.add(&kid("a"), SigningAlg::Rs256, Start::Announced, hour(0), &policy);
    schedule.add(&kid("b"), SigningAlg::Rs256, Start::Announced, hour(1), &policy);
    schedule.add(&kid("other"), SigningAlg::Es256, Start::Announced, hour(1), &policy);
    let state = |name: &str, at: Timestamp| {
        let entry = schedule.get(&kid(name)).unwrap();
        let published = schedule.is_published_at(&kid(name), entry, at, &policy);
        (schedule.state_at(&kid(name), entry, at), published)
    };
    let just_before = Timestamp::from_nanosecond(hour(25).as_nanosecond() - 1).unwrap();
    assert_eq!(state("a", hour(0)), (KeyState::Current, true));
    assert_eq!(state("a", just_before), (KeyState::Current, true));
    assert_eq!(state("b", just_before), (KeyState::Next, true));
    assert_eq!(state("b", hour(25)), (KeyState::Current, true));
    assert_eq!(state("a", hour(25)), (KeyState::Retired, true));
    assert_eq!(state("a", hour(36)), (KeyState::Retired, true));
    assert_eq!(state("a", hour(37)), (KeyState::Retired, false));
    assert_eq!(state("other", hour(1)), (KeyState::Current, true));
}

#[test]
fn two_keys_of_one_instant_leave_one_current() {
    let policy = policy(None, 24, 24);
    for (first, second) in [("a", "b"), ("b", "a")] {
        let mut schedule = Schedule::default();
        schedule.add(&kid(first), SigningAlg::Rs256, Start::Announced, hour(0), &policy);
        schedule.add(&kid(second), SigningAlg::Rs256, Start::Now, hour(0), &policy);
        assert_eq!(schedule.current_at(SigningAlg::Rs256, hour(0)), Some(&kid(second)));
    }
}

#[test]
fn a_superseded_key_stays_retired_when_its_successor_is_removed() {
    let policy = policy(None, 0, 24);
    let mut schedule = Schedule::default();
    schedule.add(&kid("a"), SigningAlg::Rs256, Start::Announced, hour(0), &policy);
    schedule.add(&kid("b"), SigningAlg::Rs256, Start::Announced, hour(5), &policy);
    assert!(schedule.settle(hour(6)));
    schedule.remove(&kid("b"));
    assert_eq!(schedule.current_at(SigningAlg::Rs256, hour(6)), None);
    let entry = schedule.get(&kid("a")).unwrap();
    assert_eq!(schedule.retired_since(&kid("a"), entry, hour(6)), Some(hour(5)));
}

#[test]
fn retiring_again_does_not_prolong_the_stay_in_the_jwks() {
    let policy = policy(None, 24, 24);
    let mut schedule = Schedule::default();
    schedule.add(&kid("a"), SigningAlg::Rs256, Start::Announced, hour(0), &policy);
    schedule.retire(&kid("a"), hour(1));
    schedule.retire(&kid("a"), hour(20));
    let entry = schedule.get(&kid("a")).unwrap();
    assert_eq!(schedule.published_until(&kid("a"), entry, hour(21), &policy), Some(hour(25)));
    schedule.unpublish(&kid("a"), hour(21));
    schedule.unpublish(&kid("a"), hour(22));
    let entry = schedule.get(&kid("a")).unwrap();
    assert_eq!(schedule.published_until(&kid("a"), entry, hour(23), &policy), Some(hour(21)));
}

#[test]
fn rotation_is_announced_in_time_and_not_twice() {
    let policy = policy(Some(90), 24, 24);
    let mut schedule = Schedule::default();
    schedule.add(&kid("a"), SigningAlg::Rs256, Start::Announced, hour(0), &policy);
    assert_eq!(schedule.rotation_at(SigningAlg::Es256, hour(500), &policy), None);
    assert_eq!(schedule.rotation_at(SigningAlg::Rs256, hour(65), &policy), None);
    assert_eq!(schedule.rotation_at(SigningAlg::Rs256, hour(66), &policy), Some(hour(90)));
    // After a time switched off, the new key is still announced first.
    assert_eq!(schedule.rotation_at(SigningAlg::Rs256, hour(500), &policy), Some(hour(524)));
    schedule.add(&kid("b"), SigningAlg::Rs256, Start::At(hour(90)), hour(66), &policy);
    assert_eq!(schedule.rotation_at(SigningAlg::Rs256, hour(67), &policy), None);
    let by_hand = Policy { rotate_every: Some(Duration::ZERO), ..policy };
    assert_eq!(schedule.rotation_at(SigningAlg::Rs256, hour(500), &by_hand), None);
}
