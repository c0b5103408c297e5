//! What one refresh has read so far. Several resources look at one object, and the CLI asks for each by itself: what was read for one
//! of them is not asked for again. Ends after a minute, with the first write, and where an answer is not trusted.

use super::errors::GraphError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// A refresh that takes longer sees every object at most so late.
const LIFE: Duration = Duration::from_secs(60);

/// Answers by path, each asked for once, also by callers at the same time. Failures are not kept.
#[derive(Default)]
pub(super) struct Snapshot {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    since: Option<Instant>,
    answers: HashMap<String, Arc<OnceCell<Vec<u8>>>>,
}

impl Snapshot {
    /// The answer for `path`: the one that is held, else what `read` gives.
    pub(super) async fn get<F: Future<Output = Result<Vec<u8>, GraphError>>>(
        &self,
        path: &str,
        read: impl FnOnce() -> F,
    ) -> Result<Vec<u8>, GraphError> {
        let slot = self.slot(path);
        slot.get_or_try_init(read).await.cloned()
    }

    /// From now on everything is asked for anew.
    pub(super) fn forget(&self) {
        *self.held() = Held::default();
    }

    fn slot(&self, path: &str) -> Arc<OnceCell<Vec<u8>>> {
        let mut held = self.held();
        let now = Instant::now();
        if held.since.is_none_or(|since| now.duration_since(since) > LIFE) {
            *held = Held { since: Some(now), answers: HashMap::new() };
        }
        held.answers.entry(path.to_owned()).or_default().clone()
    }

    /// Nothing is left half-written here by a panic elsewhere.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU8, Ordering};

    async fn ask(snapshot: &Snapshot, path: &str, asked: &AtomicU8) -> Vec<u8> {
        let read = || async {
            tokio::task::yield_now().await;
            Ok(vec![asked.fetch_add(1, Ordering::Relaxed)])
        };
        snapshot.get(path, read).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn one_path_is_asked_for_once_in_a_minute() {
        let (snapshot, asked) = (Snapshot::default(), AtomicU8::new(0));
        let (one, two) = tokio::join!(ask(&snapshot, "/a", &asked), ask(&snapshot, "/a", &asked));
        assert_eq!((one, two, ask(&snapshot, "/b", &asked).await), (vec![0], vec![0], vec![1]));
        tokio::time::advance(LIFE + Duration::from_secs(1)).await;
        assert_eq!(ask(&snapshot, "/a", &asked).await, [2]);
        snapshot.forget();
        assert_eq!(ask(&snapshot, "/a", &asked).await, [3]);
    }

    #[tokio::test]
    async fn a_failure_is_not_kept() {
        let (snapshot, asked) = (Snapshot::default(), AtomicU8::new(0));
        assert!(snapshot.get("/a", || async { Err(GraphError::Cancelled) }).await.is_err());
        assert_eq!(ask(&snapshot, "/a", &asked).await, [0]);
    }
}
