//! Rate limits of callers, and the sources by which failed attempts are limited ([`super::failures`]).
//!
//! Idle entries are removed, so that memory is bounded.

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

/// The source of a request, as the key of a rate limit: an IPv4 address, or the /64 network of an IPv6 address, which
/// is the usual allocation to one customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 network: the upper 64 bits.
    V6(u64),
    /// The address is unknown, or there are too many sources to count separately.
    Others,
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            // 64 bits are left after the shift.
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

/// Tokio's clock, which tests can advance, as a clock for `governor`.
#[derive(Clone, Copy, Debug)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

type Limiter<K> = RateLimiter<K, HashMapStateStore<K>, TokioClock, StateInformationMiddleware>;

/// A rate limiter for each key.
struct KeyedLimiter<K: Hash + Eq + Clone> {
    rate: Rate,
    clock: TokioClock,
    limiter: Limiter<K>,
}

/// A limiter's decision on a request.
enum Decision {
    /// Allowed; this many more requests may follow at once.
    Allowed(u32),
    /// Rejected; the next request is allowed after this time.
    Limited(Duration),
}

impl<K: Hash + Eq + Clone> KeyedLimiter<K> {
    fn new(rate: Rate) -> Self {
        let clock = TokioClock(Instant::now());
        let limiter = RateLimiter::hashmap_with_clock(quota(rate), clock).with_middleware();
        Self { rate, clock, limiter }
    }

    /// Counts a request.
    fn check(&self, key: &K) -> Decision {
        match self.limiter.check_key(key) {
            Ok(snapshot) => Decision::Allowed(snapshot.remaining_burst_capacity()),
            Err(not_until) => Decision::Limited(self.wait(&not_until)),
        }
    }

    fn wait(&self, not_until: &NotUntil<Duration>) -> Duration {
        not_until.wait_time_from(self.clock.now())
    }

    /// The time in which one request is replenished.
    fn interval(&self) -> Duration {
        interval(self.rate)
    }

    fn remove_idle(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

/// The time in which one request is replenished.
pub(super) fn interval(rate: Rate) -> Duration {
    rate.period() / rate.count().get()
}

fn quota(rate: Rate) -> Quota {
    let quota = Quota::with_period(interval(rate)).expect("a rate's interval is at least a microsecond");
    quota.allow_burst(rate.count())
}

/// The state of a caller's rate limit, for the `x-ratelimit-` headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The burst size: the number of requests that may be made at once.
    pub limit: u32,
    /// The number of requests that may be made now.
    pub remaining: u32,
    /// If `remaining` is 0, when the next request is allowed; otherwise when `remaining` is back at `limit`.
    pub reset: Timestamp,
    /// Set if this request exceeds the limit: the time until the next one is allowed.
    pub exceeded: Option<Duration>,
}

/// The rate limit of each caller.
pub(super) struct CallerLimit(Option<KeyedLimiter<Caller>>);

impl CallerLimit {
    /// `None`: unlimited.
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self(rate.map(KeyedLimiter::new))
    }

    /// Counts a request of this caller. `None` if there is no limit.
    pub(super) fn spend(&self, caller: &Caller, now: Timestamp) -> Option<Budget> {
        let limiter = self.0.as_ref()?;
        let limit = limiter.rate.count().get();
        let after = |wait: Duration| now.saturating_add(wait).unwrap_or(Timestamp::MAX);
        Some(match limiter.check(caller) {
            Decision::Allowed(remaining) => {
                let reset = after(limiter.interval() * limit.saturating_sub(remaining));
                Budget { limit, remaining, reset, exceeded: None }
            }
            Decision::Limited(wait) => {
                Budget { limit, remaining: 0, reset: after(wait), exceeded: Some(wait) }
            }
        })
    }

    pub(super) fn remove_idle(&self) {
        self.0.iter().for_each(KeyedLimiter::remove_idle);
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
    async fn a_budget_has_the_remaining_requests_and_the_reset_time() {
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
        limit.remove_idle();
        assert!(limit.0.as_ref().unwrap().limiter.is_empty());
        assert_eq!(CallerLimit::new(None).spend(&other, now), None);
    }
}
