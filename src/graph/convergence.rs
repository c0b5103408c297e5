//! Waiting for the directory to agree with itself: one loop, one time policy. Whatever is waited for is waited for within [`WINDOW`], by
//! the server's clock, and the operation's time, whichever ends first; Ctrl-C ends it at once. Nothing counts tries.

use super::backoff::Backoff;
use super::errors::GraphError;
use super::fresh::Missing;
use super::transport::Graph;
use super::writes::{View, WINDOW, Writes};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::time::Duration;

/// First pause between two tries, doubled up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// How long a refusal is doubted that names what this process has neither made nor met of late: a run before it may have.
const BRIEFLY: SignedDuration = SignedDuration::from_secs(4);
const REPLICATING: &str = "waiting for the directory to replicate";

/// The last answer of several reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled<T> {
    /// The answer.
    pub seen: T,
    /// Entries that it still shows as they were before our write. The write was accepted and stands; the next refresh settles it.
    pub stale: BTreeSet<String>,
}

/// The pauses of one wait, which begins with the first of them.
pub struct Waits<'a> {
    graph: &'a Graph,
    backoff: Backoff,
    since: Option<Timestamp>,
}

impl Waits<'_> {
    /// Pauses before another try. `false`: so long was waited already. Fails where the operation's time would be over, or the CLI asks
    /// to stop. `last` is the last refusal, where there was one.
    pub async fn again(&mut self, limit: SignedDuration, last: Option<&GraphError>) -> Result<bool, GraphError> {
        let now = self.graph.now();
        let since = *self.since.get_or_insert(now);
        // A clock that was set back ends no wait, and is no reason for a long one.
        if now.duration_since(since).abs() >= limit {
            return Ok(false);
        }
        let last = last.map(GraphError::to_string);
        self.graph.pause(self.backoff.pause(), REPLICATING.to_owned(), last.as_ref()).await?;
        Ok(true)
    }

    /// Pauses before what somebody else has changed meanwhile is merged and written again: until the operation's time is over.
    pub async fn contended(&mut self, tried: &str, last: Option<&GraphError>) -> Result<(), GraphError> {
        let last = last.map(GraphError::to_string);
        match self.graph.pause(self.backoff.pause(), tried.to_owned(), last.as_ref()).await {
            Err(GraphError::DeadlineExceeded { .. }) => Err(GraphError::Contended { tried: tried.to_owned(), last }),
            paused => paused,
        }
    }
}

impl Graph {
    /// The pauses of a wait that is about to begin.
    pub fn waits(&self) -> Waits<'_> {
        Waits { graph: self, backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE), since: None }
    }

    /// The answer of `read`, repeated while an entry of it is stale: until the window is over by the server's clock, or the operation's
    /// time. Anything else is the truth at once, a change that somebody made included. Hold no lock meanwhile.
    pub async fn settled_read<T, E: From<GraphError>, F: Future<Output = Result<T, E>>>(
        &self,
        writes: &Writes,
        read: impl Fn() -> F,
        view: impl Fn(&T) -> View,
    ) -> Result<Settled<T>, E> {
        let (mut waits, mut last) = (self.waits(), None);
        loop {
            let asked = self.asks();
            let seen = match last {
                None => read().await?,
                // The operation's time may also end while a read is under way.
                Some(settled) => match self.bounded(REPLICATING, read()).await {
                    Ok(done) => done?,
                    Err(GraphError::DeadlineExceeded { .. }) => return Ok(settled),
                    Err(why) => return Err(why.into()),
                },
            };
            let (span, shown) = (self.since(asked), view(&seen));
            let stale = writes.stale(span, &shown);
            if stale.is_empty() {
                return Ok(Settled { seen, stale });
            }
            match waits.again(WINDOW, None).await {
                Ok(true) => {}
                // The window ended while this read was under way: what the next one shows is the truth.
                Ok(false) if writes.stale(span.to, &shown).is_empty() => {}
                Ok(false) | Err(GraphError::DeadlineExceeded { .. }) => return Ok(Settled { seen, stale }),
                Err(why) => return Err(why.into()),
            }
            last = Some(Settled { seen, stale });
        }
    }

    /// Repeats a look-up of what is known to be there, while the directory does not show it yet.
    pub async fn until_found<T, F: Future<Output = Result<Option<T>, GraphError>>>(
        &self,
        look: impl Fn() -> F,
    ) -> Result<Option<T>, GraphError> {
        let mut waits = self.waits();
        loop {
            let found = look().await?;
            if found.is_some() || !waits.again(WINDOW, None).await? {
                return Ok(found);
            }
        }
    }

    /// Reads until the answer is as `settled` expects, or until that time by the server's clock: then gives it as it is.
    pub async fn read_until<T, F: Future<Output = Result<T, GraphError>>>(
        &self,
        until: Timestamp,
        read: impl Fn() -> F,
        settled: impl Fn(&T) -> bool,
    ) -> Result<T, GraphError> {
        let mut waits = self.waits();
        loop {
            let found = read().await?;
            if settled(&found) || self.now() >= until || !waits.again(WINDOW, None).await? {
                return Ok(found);
            }
        }
    }

    /// Repeats `call` while the directory still replicates what it refers to, or another write is under way. A refusal that names what
    /// nobody made here is believed after a moment: a wrong input gets the same answer.
    pub(super) async fn settled<T, F: Future<Output = Result<T, GraphError>>>(
        &self,
        call: impl Fn() -> F,
    ) -> Result<T, GraphError> {
        self.settled_within(BRIEFLY, call).await
    }

    /// The same for a removal: of what nobody made here, "not found" means that it is gone.
    pub(super) async fn settled_removal<T, F: Future<Output = Result<T, GraphError>>>(
        &self,
        call: impl Fn() -> F,
    ) -> Result<T, GraphError> {
        self.settled_within(SignedDuration::ZERO, call).await
    }

    pub(super) async fn settled_within<T, F: Future<Output = Result<T, GraphError>>>(
        &self,
        strangers: SignedDuration,
        call: impl Fn() -> F,
    ) -> Result<T, GraphError> {
        let mut waits = self.waits();
        loop {
            let error = match call().await {
                Err(error) if error.is_concurrent_write() || error.is_replication_delay() => error,
                other => return other,
            };
            let limit = if error.is_concurrent_write() || self.is_about_fresh(&error) { WINDOW } else { strangers };
            match waits.again(limit, Some(&error)).await {
                Ok(true) => {}
                Ok(false) | Err(GraphError::DeadlineExceeded { .. }) if error.is_concurrent_write() => {
                    return Err(error.into_contended());
                }
                Ok(false) => return Err(error),
                Err(why) => return Err(why),
            }
        }
    }

    /// Whether a refusal may be about something that was made or met here a moment ago.
    fn is_about_fresh(&self, error: &GraphError) -> bool {
        match self.fresh().missing(self.now(), error.text()) {
            Missing::Known => true,
            Missing::Other => false,
            Missing::Unsaid => self.fresh().is_any(self.now()),
        }
    }
}
