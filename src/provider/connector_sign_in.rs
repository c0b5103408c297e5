//! Signing in with a connector's own credential. What was made a moment ago may be refused for a while.

use super::services::Cx;
use crate::graph::{AuthError, Claims, Graph, GraphError};
use std::time::Duration;
use tokio::time::Instant;

/// First wait before a refused sign-in is tried again, doubled up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Refusals that a credential, an application or a consent also gets while Entra still replicates it: unknown secret, application,
/// service principal, certificate, federated credential. Source: Microsoft's list of AADSTS error codes.
pub(crate) const PERHAPS_TOO_NEW: &[u32] = &[7_000_215, 700_016, 7_000_229, 700_027, 70_021, 700_213];

/// A sign-in that was refused for good.
pub(crate) struct Refused {
    /// The last refusal.
    pub why: GraphError,
    /// How often it was tried.
    pub tries: u32,
}

/// What the token says, once Entra gives one or refuses for good; a refusal that may pass is tried again until `until`.
pub(crate) async fn signed_in(graph: &Graph, until: Instant, cx: &Cx) -> Result<Claims, Refused> {
    let (mut tries, mut wait, mut refusal) = (1, FIRST_WAIT, None);
    loop {
        let why = match graph.token_claims().await {
            Ok(claims) => return Ok(claims),
            // The refusal before says more than that the time ran out meanwhile.
            Err(GraphError::DeadlineExceeded { tried, last }) => {
                refusal.unwrap_or(GraphError::DeadlineExceeded { tried, last })
            }
            Err(why) => why,
        };
        let may_pass = matches!(&why, GraphError::Auth { why: AuthError::Rejected { code, .. }, .. } if PERHAPS_TOO_NEW.contains(code));
        if !may_pass || Instant::now() + wait >= until {
            return Err(Refused { why, tries });
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = cx.cancelled.cancelled() => return Err(Refused { why: GraphError::Cancelled, tries }),
        }
        refusal = Some(why);
        tries += 1;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}
