//! A clock that jumps, by a time server's correction or an operator's hand: nothing waits for a time that is
//! no longer near, and tokens say the time that the clock says.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use logoutd::clock::Clock;
use serde_json::Value;
use tokio::sync::watch;

use crate::counting_rp::CountingRp;
use crate::support::app::{Setup, TestApp};
use crate::support::{ends, eventually};

const HOUR: i64 = 3600;

/// How long a delivery may take to become final after a jump, by the clock on the wall.
const PATIENCE_SECONDS: u32 = 30;

/// How far a token's `iat` may be from the clock, in seconds: it is signed a moment before it is heard.
const IAT_TOLERANCE: i64 = 5;

/// The real clock, and how far from it this one is set, in seconds.
#[derive(Default)]
struct Jumping(AtomicI64);

impl Jumping {
    fn jump(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// What the relying party does until a jump has been made.
#[derive(Clone, Copy)]
enum Before {
    /// It refuses: the deliveries are waiting for their next attempt when the clock jumps.
    Refuses,
    /// It holds its answer back: the attempts are under way.
    Holds,
    /// It holds its answer back, and then refuses: the next attempt is planned by the new time.
    HoldsAndRefuses,
}

impl Before {
    async fn answer(self, number: usize, mut jumped: watch::Receiver<bool>) -> u16 {
        let before = !*jumped.borrow();
        if before && !matches!(self, Self::Refuses) {
            jumped.wait_for(|jumped| *jumped).await.unwrap();
        }
        let refused = match self {
            Self::Refuses => before,
            Self::Holds => false,
            Self::HoldsAndRefuses => number == 1,
        };
        if refused { 503 } else { 200 }
    }
}

/// Reports sessions, lets the clock jump while their deliveries stand as `before` has it, and asserts that
/// they are delivered all the same; once for each of the jumps.
async fn assert_delivered_across(jumps: [i64; 2], before: Before) {
    let (jumped, jumps_seen) = watch::channel(true);
    let rp = CountingRp::start(move |heard| before.answer(heard.number, jumps_seen.clone())).await;
    let clock = Arc::new(Jumping::default());
    let app = service_with_old_keys(&rp, &clock).await;
    // Until its relying party has answered once, a client has one attempt under way at a time.
    assert_told_the_time(&app, &rp, &clock).await;
    for jump in jumps {
        jumped.send_replace(false);
        let events: Vec<Value> = (0..5).map(|_| ends(&uuid::Uuid::new_v4().to_string(), &["shop"])).collect();
        for event in &events {
            app.report(event).await;
        }
        eventually(async || events.iter().all(|event| count(&rp, event) == 1).then_some(())).await;
        if matches!(before, Before::Refuses) {
            // The refusals are on their way into the store.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        clock.jump(jump);
        jumped.send_replace(true);

        assert_told_the_time(&app, &rp, &clock).await;
        for event in &events {
            let state = app.outcome(event, PATIENCE_SECONDS).await.remove(0).1;
            assert_eq!(state, "delivered", "{PATIENCE_SECONDS} s after a jump of {jump} s");
        }
    }
    app.stop().await;
}

fn setup(rp: &CountingRp) -> Setup {
    Setup::new().with("[delivery]\nschedule = [\"2s\"]\ntimeout = \"20s\"").client(
        "shop",
        &rp.uri("shop"),
        "",
    )
}

/// A service whose keys were made before any time that the clock jumps to.
async fn service_with_old_keys(rp: &CountingRp, clock: &Arc<Jumping>) -> TestApp {
    clock.jump(-3 * HOUR);
    let setup = setup(rp).start_with(Arc::clone(clock) as _).await.stop().await;
    clock.jump(3 * HOUR);
    setup.start_with(Arc::clone(clock) as _).await
}

/// Asserts that a session reported now is told of at once, with the clock's time.
async fn assert_told_the_time(app: &TestApp, rp: &CountingRp, clock: &Jumping) {
    let event = ends(&uuid::Uuid::new_v4().to_string(), &["shop"]);
    assert_eq!(app.outcome(&event, PATIENCE_SECONDS).await.remove(0).1, "delivered");
    let offset = clock.0.load(Ordering::SeqCst);
    let heard: Vec<_> = rp.heard().into_iter().filter(|it| it.sid == event["data"]["sid"]).collect();
    assert!(!heard.is_empty());
    for token in heard {
        let off = (token.ahead - offset).abs();
        assert!(off <= IAT_TOLERANCE, "iat is {off} s from the clock, which is {offset} s ahead");
    }
}

fn count(rp: &CountingRp, event: &Value) -> usize {
    rp.count("shop", event["data"]["sid"].as_str().unwrap())
}

#[tokio::test]
async fn what_waits_is_delivered_though_the_clock_jumps_forward_and_back() {
    assert_delivered_across([HOUR, -HOUR], Before::Refuses).await;
}

#[tokio::test]
async fn what_waits_is_delivered_though_the_clock_jumps_back_and_forward() {
    assert_delivered_across([-HOUR, HOUR], Before::Refuses).await;
}

#[tokio::test]
async fn what_is_under_way_is_delivered_though_the_clock_jumps_forward_and_back() {
    assert_delivered_across([HOUR, -HOUR], Before::Holds).await;
}

#[tokio::test]
async fn what_is_under_way_is_delivered_though_the_clock_jumps_back_and_forward() {
    assert_delivered_across([-HOUR, HOUR], Before::Holds).await;
}

#[tokio::test]
async fn what_fails_while_the_clock_jumps_is_tried_again_by_the_new_time() {
    assert_delivered_across([HOUR, -HOUR], Before::HoldsAndRefuses).await;
    assert_delivered_across([-HOUR, HOUR], Before::HoldsAndRefuses).await;
}

/// A machine that starts with a wrong clock makes its keys in what turns out to be the future.
#[tokio::test]
async fn a_clock_set_back_to_before_the_keys_were_made_does_not_stop_the_signing() {
    let rp = CountingRp::start(async |_| 200).await;
    let clock = Arc::new(Jumping::default());
    let app = setup(&rp).start_with(Arc::clone(&clock) as _).await;
    clock.jump(-HOUR);
    assert_told_the_time(&app, &rp, &clock).await;
    app.stop().await;
}
