//! Looking at files at intervals.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How often watched files are looked at.
///
/// Polling rather than notifications of the kernel: those do not see changes that another host makes on a network file
/// system, and follow inodes rather than paths, so that the symlinks which Kubernetes and certbot swap would need
/// watches on every folder on the way to their targets. A look is a handful of `stat` calls.
pub const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Calls `look` now and at every [`POLL_INTERVAL`] until `stop`, where it may block. `files` names what is watched, for the log.
pub async fn poll<W: Send + 'static>(
    files: &'static str,
    mut watcher: W,
    look: fn(&mut W),
    stop: CancellationToken,
) {
    loop {
        let looked = tokio::task::spawn_blocking(move || {
            look(&mut watcher);
            watcher
        });
        watcher = match looked.await {
            Ok(watcher) => watcher,
            Err(error) => {
                tracing::error!(files, %error, "files are no longer watched for changes; restart logoutd");
                return;
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(POLL_INTERVAL) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_looks_at_once_and_at_every_interval_until_stopped() {
        let (looks, mut looked) = tokio::sync::mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let look: fn(&mut _) = |looks: &mut tokio::sync::mpsc::UnboundedSender<()>| {
            let _ = looks.send(());
        };
        let polling = tokio::spawn(poll("files", looks, look, stop.clone()));
        for _ in 0..3 {
            looked.recv().await.unwrap();
        }
        stop.cancel();
        polling.await.unwrap();
        assert_eq!(looked.recv().await, None);
    }
}
