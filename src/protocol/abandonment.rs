//! A CLI that was killed tells nobody: a process without any connection for a while ends itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Without any connection for this long, nobody will come back.
const ABANDONED: Duration = Duration::from_secs(10);
/// A CLI that was killed before it connected tells nobody either. It gives a provider this long to start.
const NEVER_CAME: Duration = Duration::from_secs(60);

/// Watches over the connections.
#[derive(Clone)]
pub(super) struct Abandonment {
    open: Arc<AtomicUsize>,
    /// The first connection is there.
    came: Arc<Notify>,
    /// Set when nobody is there any more; `None` where that does not matter.
    abandoned: Option<watch::Sender<bool>>,
}

/// Counts one connection, until dropped.
pub(super) struct Place(Abandonment);

impl Abandonment {
    /// Sets `abandoned` when there has been no connection for a while.
    pub(super) fn sets(abandoned: watch::Sender<bool>) -> Self {
        Self { open: Arc::default(), came: Arc::default(), abandoned: Some(abandoned) }
    }

    /// Waits for ever: the process is no CLI's.
    pub(super) fn never() -> Self {
        Self { open: Arc::default(), came: Arc::default(), abandoned: None }
    }

    /// The place of one connection.
    pub(super) fn place(&self) -> Place {
        let place = self.taken();
        self.came.notify_one();
        place
    }

    /// Keeps a place until the first connection, for as long as one may be awaited.
    pub(super) fn await_first(&self) {
        let (first, came) = (self.taken(), self.came.clone());
        tokio::spawn(async move {
            tokio::time::timeout(NEVER_CAME, came.notified()).await.ok();
            drop(first);
        });
    }

    fn taken(&self) -> Place {
        self.open.fetch_add(1, Ordering::SeqCst);
        Place(self.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self(Abandonment { open, abandoned, .. }) = self;
        if open.fetch_sub(1, Ordering::SeqCst) > 1 {
            return;
        }
        let (open, Some(abandoned)) = (open.clone(), abandoned.clone()) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            tokio::time::sleep(ABANDONED).await;
            if open.load(Ordering::SeqCst) == 0 {
                abandoned.send_replace(true);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    fn watched() -> (Abandonment, watch::Receiver<bool>) {
        let (stop, stopped) = watch::channel(false);
        let abandonment = Abandonment::sets(stop);
        abandonment.await_first();
        (abandonment, stopped)
    }

    #[tokio::test(start_paused = true)]
    async fn a_cli_that_never_connects_does_not_keep_the_process() {
        let (_abandonment, mut stopped) = watched();
        let start = Instant::now();
        stopped.wait_for(|stop| *stop).await.unwrap();
        assert!(start.elapsed() >= NEVER_CAME && start.elapsed() < NEVER_CAME + ABANDONED * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_connection_keeps_the_process_and_its_end_does_not() {
        let (abandonment, mut stopped) = watched();
        let place = abandonment.place();
        tokio::time::sleep(NEVER_CAME * 10).await;
        assert!(!*stopped.borrow());
        drop(place);
        let start = Instant::now();
        stopped.wait_for(|stop| *stop).await.unwrap();
        assert!(start.elapsed() < ABANDONED * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_first_connection_nobody_is_awaited() {
        let (abandonment, mut stopped) = watched();
        let start = Instant::now();
        drop(abandonment.place());
        stopped.wait_for(|stop| *stop).await.unwrap();
        assert!(start.elapsed() < ABANDONED * 2);
    }
}
