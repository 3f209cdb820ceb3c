//! The parts of a running service: tasks that run side by side until shutdown.

use std::pin::Pin;

use tokio::task::{JoinError, JoinSet};

use crate::shutdown::Shutdown;

/// Runs until draining is requested and what it has begun is finished.
type Part = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Parts by name, not yet started.
#[derive(Default)]
pub(super) struct Parts(Vec<(&'static str, Part)>);

impl Parts {
    /// Adds a part; the name is for errors.
    pub(super) fn add(&mut self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        self.0.push((name, Box::pin(part)));
    }

    /// Runs all parts until they have ended, or until a stop is requested, which cancels them.
    ///
    /// A part that ends before draining is requested has crashed: the service drains, and the first such part is
    /// returned as an error.
    pub(super) async fn run(self, shutdown: &Shutdown) -> anyhow::Result<()> {
        let mut running = JoinSet::new();
        for (name, part) in self.0 {
            running.spawn(async move {
                part.await;
                name
            });
        }
        let mut first_crash = None;
        loop {
            let ended = tokio::select! {
                ended = running.join_next() => ended,
                () = shutdown.stopped() => break,
            };
            match ended {
                None => break,
                Some(Ok(_)) if shutdown.is_draining() => {}
                Some(ended) => {
                    first_crash.get_or_insert(crash(ended));
                    shutdown.drain();
                }
            }
        }
        running.shutdown().await;
        first_crash.map_or(Ok(()), Err)
    }
}

fn crash(ended: Result<&'static str, JoinError>) -> anyhow::Error {
    match ended {
        Ok(name) => anyhow::anyhow!("it ended by itself").context(format!("the {name} stopped")),
        Err(error) => anyhow::Error::new(error).context("a part of the service panicked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_ends_by_itself_drains_the_others() {
        let shutdown = Shutdown::new();
        let mut parts = Parts::default();
        let token = shutdown.drain_token();
        parts.add("server", async move { token.cancelled().await });
        parts.add("sweeper", async {});
        let error = parts.run(&shutdown).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "the sweeper stopped: it ended by itself");
        assert!(shutdown.is_draining());
    }

    #[tokio::test]
    async fn a_stop_cancels_parts_that_do_not_drain() {
        let shutdown = Shutdown::new();
        let mut parts = Parts::default();
        parts.add("server", std::future::pending());
        shutdown.stop();
        parts.run(&shutdown).await.unwrap();
    }
}
