//! Pauses between tries: exponential, bounded, with jitter.

use std::time::Duration;

/// The pauses of one wait.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    whole: Duration,
    longest: Duration,
}

impl Backoff {
    /// From `first`, doubled up to `longest`.
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { whole: first, longest }
    }

    /// The next pause: half fixed, half random, so that those who met once do not meet again.
    pub(super) fn pause(&mut self) -> Duration {
        let whole = self.whole;
        self.whole = whole.saturating_mul(2).min(self.longest);
        let random = u32::from(uuid::Uuid::new_v4().as_bytes()[0]);
        whole / 2 + whole / 2 * random / 255
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_but_stay_bounded() {
        let (first, longest) = (Duration::from_millis(500), Duration::from_secs(30));
        let mut backoff = Backoff::new(first, longest);
        let all: Vec<Duration> = (0..40).map(|_| backoff.pause()).collect();
        assert!(all[0] >= first / 2 && all[0] <= first && all[39] >= longest / 2);
        assert!(all.iter().all(|pause| *pause <= longest));
    }
}
