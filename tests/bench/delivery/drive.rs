//! Deliveries end to end: events in, tokens at the relying party, and all of it settled on disk.

use std::time::Duration;

use anyhow::ensure;
use serde::Serialize;
use tokio::time::Instant;

use crate::events::{Posting, Terminations};
use crate::load::push;
use crate::relying_party::RelyingParty;
use crate::service::{Service, StoreView};

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// Where events go, and where what follows from them is seen.
pub struct Route<'a> {
    pub service: &'a Service,
    pub store: &'a StoreView,
    pub rp: &'a RelyingParty,
    /// The clients that every event names.
    pub clients: &'a [String],
    pub posting: Posting,
}

/// When what was done, since the first event was sent.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Driven {
    pub deliveries: usize,
    /// The last event was acknowledged.
    pub accepted_s: f64,
    /// The last token had arrived.
    pub arrived_s: f64,
    /// The last delivery was settled.
    pub settled_s: f64,
    /// CPU of the service for each delivery.
    pub cpu_us: f64,
}

impl Driven {
    pub fn per_second(&self) -> f64 {
        per_second(self.deliveries, self.settled_s)
    }
}

/// How many that is in a second.
pub fn per_second(count: usize, seconds: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52 of anything here")]
    let count = count as f64;
    count / seconds
}

impl Route<'_> {
    /// As many deliveries as it takes for caches to fill and connections to be made; says how many to make
    /// for the figure.
    pub async fn warm_up(&self, warm_up: usize, length: Duration) -> anyhow::Result<usize> {
        let driven = self.drive(warm_up).await?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive number of deliveries, far from the largest"
        )]
        let wanted = (driven.per_second() * length.as_secs_f64()) as usize;
        Ok(wanted.max(warm_up))
    }

    /// Makes about so many deliveries.
    pub async fn drive(&self, deliveries: usize) -> anyhow::Result<Driven> {
        let events = deliveries.div_ceil(self.clients.len());
        let deliveries = events * self.clients.len();
        let terminations = Terminations::at(self.clients.iter().map(String::as_str));
        // Made before the clock starts: what the source does to make its events is not the service's.
        let requests: Vec<_> = self.posting.requests(self.service.server, terminations, events).collect();
        let before = self.delivered().await?;
        self.rp.begin(deliveries as u64, false).await?;

        let cpu_before = self.service.cpu()?;
        let began = Instant::now();
        push(self.service.server, requests.into_iter(), self.posting.connections()).await?;
        let accepted_s = began.elapsed().as_secs_f64();
        self.rp.reached(PATIENCE).await?;
        let arrived_s = began.elapsed().as_secs_f64();
        self.store.settled(self.clients, PATIENCE).await?;
        let settled_s = began.elapsed().as_secs_f64();

        let cpu = self.service.cpu()?.saturating_sub(cpu_before);

        let settled = self.delivered().await? - before;
        ensure!(
            usize::try_from(settled) == Ok(deliveries),
            "{settled} of {deliveries} deliveries are recorded as delivered"
        );
        let cpu_us = 1e6 / per_second(deliveries, cpu.as_secs_f64());
        Ok(Driven { deliveries, accepted_s, arrived_s, settled_s, cpu_us })
    }

    async fn delivered(&self) -> anyhow::Result<i64> {
        let mut delivered = 0;
        for client_id in self.clients {
            delivered += self.store.delivered(client_id).await?;
        }
        Ok(delivered)
    }
}
