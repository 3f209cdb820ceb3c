//! File descriptors: the process's limit, and how many of them listeners' connections may take, so that the store, deliveries
//! and the management listener never run out.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit that is requested where the hard limit is higher or infinite.
const ENOUGH: u64 = 1 << 20;

/// For the store's files, keys, certificates, the log, name lookups and the like.
const RESERVED: u64 = 64;

/// The most connections of each listener by default.
const DEFAULT_SERVER: u64 = 8192;
const DEFAULT_MANAGEMENT: u64 = 1024;

/// The most connections to relying parties in the pool, unless more attempts run at a time: it bounds their memory.
const MAX_OUTGOING_POOLED: u64 = 4096;

/// The most connections of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// `server.listen`.
    pub server: usize,
    /// `management.listen`.
    pub management: usize,
    /// To relying parties: the size of the connection pool.
    pub outgoing_pooled: usize,
}

/// The configured connections need more file descriptors than the process may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "server.max_connections = {server} and management.max_connections = {management} take {needed} file descriptors \
     with their TLS handshakes, and beside {kept} for the store and delivery.max_concurrency there are {left} of the \
     {limit} that this process may have; raise that limit (LimitNOFILE= of systemd, `ulimit -n`), or lower them"
)]
pub struct TooFewDescriptors {
    server: usize,
    management: usize,
    needed: u64,
    kept: u64,
    left: u64,
    limit: u64,
}

/// Raises the process's soft limit of descriptors to the hard one, and returns it. Only programs that use `select` need the low
/// default.
pub fn raise_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let (soft, hard) = (current.unwrap_or(ENOUGH), maximum.unwrap_or(ENOUGH).min(ENOUGH));
    if soft >= hard {
        return soft;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(hard), maximum }) {
        Ok(()) => hard,
        Err(error) => {
            tracing::warn!(%error, soft, hard, "the limit of open files could not be raised");
            soft
        }
    }
}

/// How many TLS handshakes may be in progress beside this many connections.
pub(super) fn handshakes(connections: usize) -> usize {
    (connections / 4).clamp(1, 1024)
}

/// Divides `limit` descriptors. Each attempt may need a connection beside the pool; the pool gets what is left. A listener
/// without a setting (`None`) gets a default that fits; if the limit is too low for everything, they share a quarter of it.
pub fn share_out(
    limit: u64,
    max_concurrency: u32,
    server: Option<u32>,
    management: Option<u32>,
) -> Result<Shares, TooFewDescriptors> {
    let kept = RESERVED + 2 * u64::from(max_concurrency);
    let left = limit.saturating_sub(kept).max(limit / 4);
    // With a fifth of it for handshakes.
    let connections = left - left / 5;
    let default_management = DEFAULT_MANAGEMENT.min(connections / 4);
    let management_share = management.map_or(default_management, u64::from);
    let rest = connections.saturating_sub(management_share);
    let server_share = server.map_or(DEFAULT_SERVER.min(rest), u64::from);
    let as_usize = |count: u64| usize::try_from(count.max(1)).unwrap_or(usize::MAX);
    let (server_share, management_share) = (as_usize(server_share), as_usize(management_share));
    let needed: usize = [server_share, management_share].iter().map(|it| it + handshakes(*it)).sum();
    if (server.is_some() || management.is_some()) && needed as u64 > left {
        return Err(TooFewDescriptors {
            server: server_share,
            management: management_share,
            needed: needed as u64,
            kept: limit - left,
            left,
            limit,
        });
    }
    let spare = limit.saturating_sub(needed as u64 + RESERVED + u64::from(max_concurrency));
    let outgoing_pooled =
        usize::try_from(spare.min(MAX_OUTGOING_POOLED.max(max_concurrency.into()))).unwrap_or(usize::MAX);
    Ok(Shares { server: server_share, management: management_share, outgoing_pooled })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_a_share_for_management_and_a_reserve() {
        for (limit, shares) in [
            (1 << 20, (8192, 1024, 4096)),
            (524_288, (8192, 1024, 4096)),
            (16_384, (8192, 1024, 4096)),
            (4096, (1806, 601, 512)),
            (1024, (154, 51, 193)),
            // Too few for the attempts alone: no pool.
            (256, (39, 13, 0)),
        ] {
            let Shares { server, management, outgoing_pooled } = share_out(limit, 512, None, None).unwrap();
            assert_eq!((server, management, outgoing_pooled), shares, "{limit}");
            let used = server + handshakes(server) + management + handshakes(management) + outgoing_pooled;
            let attempts = if limit == 256 { 0 } else { 512 };
            assert!((used + attempts) as u64 + RESERVED <= limit, "{limit}");
        }
    }

    #[test]
    fn what_is_asked_for_must_be_there() {
        let shares = share_out(4096, 512, Some(1500), None).unwrap();
        assert_eq!(shares, Shares { server: 1500, management: 601, outgoing_pooled: 894 });
        let error = share_out(4096, 512, Some(3000), None).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("server.max_connections = 3000 and management.max_connections = 601")
        );
        assert!(error.to_string().contains("LimitNOFILE"));
        assert!(share_out(1 << 20, 512, Some(100_000), Some(10_000)).is_ok());
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let raised = raise_limit();
        let now = getrlimit(Resource::Nofile);
        assert_eq!(now.current, Some(raised));
        assert_eq!(raise_limit(), raised);
        assert!(raised == ENOUGH || now.current == now.maximum || raised > ENOUGH);
    }
}
