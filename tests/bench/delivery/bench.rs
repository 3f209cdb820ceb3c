//! What the sections share: options, relying party, keys, and the folder that is gone afterwards.

use std::path::PathBuf;

use anyhow::Context;
use logoutd::domain::algorithm::SigningAlg;
use serde::Serialize;
use tempfile::TempDir;

use crate::floor::Floor;
use crate::options::{Options, Sizes};
use crate::relying_party::RelyingParty;
use crate::sections::Filled;
use crate::service::{Party, Setup};
use crate::table::Table;
use crate::targets::Target;

/// The client whose deliveries are measured.
pub const HEALTHY: &str = "healthy";

/// How many attempts are made at a time for one client, unless it is configured.
pub const DEFAULT_PER_CLIENT: u32 = 16;

/// A bench that is set up. Dropped, it leaves nothing behind.
pub struct Bench {
    /// What `backlog` filled, for `recovery`: it takes minutes.
    pub filled: Option<Filled>,
    pub options: Options,
    pub sizes: Sizes,
    pub rp: RelyingParty,
    /// Made once: to make RSA keys takes seconds.
    keys: PathBuf,
    folder: TempDir,
}

/// What a section found.
pub struct Outcome {
    pub figures: serde_json::Value,
    pub tables: Vec<Table>,
    pub targets: Vec<Target>,
}

impl Outcome {
    pub fn new(figures: &impl Serialize, tables: Vec<Table>, targets: Vec<Target>) -> anyhow::Result<Self> {
        Ok(Self { figures: serde_json::to_value(figures)?, tables, targets })
    }
}

impl Bench {
    pub fn start(options: Options) -> anyhow::Result<Self> {
        let within = options.folder.canonicalize()?;
        let folder = TempDir::with_prefix_in("logoutd-bench-", within).context("no folder for the stores")?;
        let sizes = options.sizes();
        let rp = RelyingParty::start()?;
        let bench = Self { filled: None, options, sizes, rp, keys: folder.path().join("keys"), folder };
        bench.make_keys()?;
        Ok(bench)
    }

    /// A service on a store of its own.
    pub fn setup(&self, per_client: u32, parties: &[Party]) -> anyhow::Result<Setup> {
        Setup::new(self.folder.path(), &self.keys, per_client, parties)
    }

    /// A client at which all is well.
    pub fn healthy(&self) -> Party {
        Party::new(HEALTHY, Some(self.rp.healthy_uri(HEALTHY)))
    }

    /// Clients at which all is well, with this alg.
    pub fn healthy_many(&self, alg: SigningAlg, count: u32) -> Vec<Party> {
        let ids = (1..=count).map(|number| format!("{HEALTHY}-{number}"));
        ids.map(|id| Party { alg, ..Party::new(&id, Some(self.rp.healthy_uri(&id))) }).collect()
    }

    /// So that no start that is measured has to.
    fn make_keys(&self) -> anyhow::Result<()> {
        let setup = self.setup(DEFAULT_PER_CLIENT, &[self.healthy()])?;
        Floor::new(&setup.config()).map(drop)
    }
}
