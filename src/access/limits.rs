//! How often callers may ask, and which addresses are told apart when tokens are guessed ([`super::failures`]).
//!
//! Whoever has been quiet for long enough is forgotten, so that what is held is bounded.

use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{NotUntil, Quota, RateLimiter};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::domain::access::{Caller, Rate};

/// Where a request comes from, as far as it is told apart: an IPv4 address, or the /64 network of an IPv6
/// address, which is what one customer has to himself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 network: the upper half of its addresses.
    V6(u64),
    /// Nobody knows, or there are too many to tell apart.
    Others,
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            // A shift by 64 leaves what fits.
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(network) => write!(f, "{}/64", Ipv6Addr::from_bits(u128::from(*network) << 64)),
            Self::Others => f.write_str("others"),
        }
    }
}

/// The time of tokio, which tests can move.
#[derive(Clone, Copy, Debug)]
struct Steady(Instant);

impl Clock for Steady {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

type Limiter<K> = RateLimiter<K, HashMapStateStore<K>, Steady, StateInformationMiddleware>;

/// A limiter, with the clock it was made with.
struct Keyed<K: Hash + Eq + Clone> {
    rate: Rate,
    clock: Steady,
    limiter: Limiter<K>,
}

/// What a limiter says.
enum Room {
    /// So many more may come at once.
    Left(u32),
    /// None may come before this has passed.
    None(Duration),
}

impl<K: Hash + Eq + Clone> Keyed<K> {
    fn new(rate: Rate) -> Self {
        let clock = Steady(Instant::now());
        let limiter = RateLimiter::hashmap_with_clock(quota(rate), clock).with_middleware();
        Self { rate, clock, limiter }
    }

    /// Takes the room of one.
    fn take(&self, key: &K) -> Room {
        match self.limiter.check_key(key) {
            Ok(snapshot) => Room::Left(snapshot.remaining_burst_capacity()),
            Err(not_until) => Room::None(self.wait(&not_until)),
        }
    }

    fn wait(&self, not_until: &NotUntil<Duration>) -> Duration {
        not_until.wait_time_from(self.clock.now())
    }

    /// After how long there is room for one more.
    fn interval(&self) -> Duration {
        interval(self.rate)
    }

    fn forget_idle(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

/// After how long there is room for one more.
pub(super) fn interval(rate: Rate) -> Duration {
    rate.period() / rate.count().get()
}

fn quota(rate: Rate) -> Quota {
    let quota = Quota::with_period(interval(rate)).expect("a rate leaves a microsecond or more for each");
    quota.allow_burst(rate.count())
}

/// Where a caller stands, for the `x-ratelimit-` headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How many requests may come at once.
    pub limit: u32,
    /// How many more may come now.
    pub remaining: u32,
    /// When there is room again: for one more if there is none now, or else for all.
    pub reset: Timestamp,
    /// This request is one too many: after how long the next may come.
    pub exceeded: Option<Duration>,
}

/// How often each caller may ask.
pub(super) struct CallerLimit(Option<Keyed<Caller>>);

impl CallerLimit {
    /// `None`: as often as it likes.
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self(rate.map(Keyed::new))
    }

    /// Counts a request of this caller. `None` if there is no limit.
    pub(super) fn spend(&self, caller: &Caller, now: Timestamp) -> Option<Budget> {
        let keyed = self.0.as_ref()?;
        let limit = keyed.rate.count().get();
        let after = |wait: Duration| now.saturating_add(wait).unwrap_or(Timestamp::MAX);
        Some(match keyed.take(caller) {
            Room::Left(remaining) => {
                let reset = after(keyed.interval() * limit.saturating_sub(remaining));
                Budget { limit, remaining, reset, exceeded: None }
            }
            Room::None(wait) => Budget { limit, remaining: 0, reset: after(wait), exceeded: Some(wait) },
        })
    }

    pub(super) fn forget_idle(&self) {
        self.0.iter().for_each(Keyed::forget_idle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::from(text.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        assert_eq!(source("2001:db8:0:1::1"), source("2001:db8:0:1:ffff::2"));
        assert_ne!(source("2001:db8:0:1::1"), source("2001:db8:0:2::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
        assert_eq!(source("2001:db8:0:1::1").to_string(), "2001:db8:0:1::/64");
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_is_told_where_it_stands() {
        let limit = CallerLimit::new(Some("2/m".parse().unwrap()));
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let at = |seconds: i64| Timestamp::from_second(now.as_second() + seconds).unwrap();
        let spend = || limit.spend(&Caller::Bootstrap, now).unwrap();
        let budget = |remaining, reset, exceeded: Option<u64>| Budget {
            limit: 2,
            remaining,
            reset: at(reset),
            exceeded: exceeded.map(Duration::from_secs),
        };
        assert_eq!(spend(), budget(1, 30, None));
        assert_eq!(spend(), budget(0, 60, None));
        assert_eq!(spend(), budget(0, 30, Some(30)));
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(spend(), budget(0, 60, None));
        let other = Caller::Jwt { subject: None, client: Some("another".parse().unwrap()) };
        assert_eq!(limit.spend(&other, now).unwrap().remaining, 1);

        tokio::time::advance(Duration::from_mins(2)).await;
        limit.forget_idle();
        assert!(limit.0.as_ref().unwrap().limiter.is_empty());
        assert_eq!(CallerLimit::new(None).spend(&other, now), None);
    }
}
