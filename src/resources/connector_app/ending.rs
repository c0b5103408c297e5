//! The end of an application, and its return: deleted by us, or deleted by somebody and restored.

use super::model::{ConnectorApp, Deletion, State};
use crate::framework::{Diagnostic, Result};
use crate::graph::{Graph, Purged};
use crate::provider::Cx;

impl State {
    /// Deletes it, unless a create of this run has taken it over.
    pub(super) async fn end(&self, cx: &Cx) -> Result<()> {
        let id = self.value.id.get()?;
        let name = self.value.unique_name.known().unwrap_or(id);
        let mut claim = cx.claim_delete::<ConnectorApp>(&self.value.tenant_id, name).await?;
        if claim.taken()?.is_some_and(|taken| taken.contains(&id.to_lowercase())) {
            cx.warn(
                Diagnostic::warning(format!("The application {id} was not deleted"))
                    .help("A create in the same run has taken it over."),
            );
            return Ok(());
        }
        claim.lock(id).await?;
        let graph = claim.tenant.graph.clone();
        let was_there = graph.delete_application(id).await?;
        claim.release();
        if self.value.deletion == Deletion::Permanent || self.private.incomplete {
            // Graph deletes the home tenant's principal with its application; it stays among the deleted items by itself.
            for deleted in self.value.service_principal_id.known().into_iter().chain([id]) {
                purge(deleted, was_there, &graph, cx).await?;
            }
        }
        Ok(())
    }
}

/// Purges what was deleted, a moment ago or long since. That it never shows among the deleted items is said: it would be restorable.
async fn purge(id: &str, just_now: bool, graph: &Graph, cx: &Cx) -> Result<()> {
    if !just_now {
        graph.purge_deleted_item(id).await?;
    } else if graph.purge_once_deleted(id).await? == Purged::Absent {
        cx.warn(Diagnostic::warning(format!("The deleted object {id} may not be gone for good")).help(
            "It was deleted, but did not show among the deleted items in time, so that it could not be purged. Where it shows there later (Entra \
             admin center, App registrations, Deleted applications), delete it permanently by hand: until then, and for 30 days, it keeps its \
             `unique_name`.",
        ));
    }
    Ok(())
}

/// Restores what was deleted of an application: itself, its service principal, or both.
pub(super) async fn restore(prior: &ConnectorApp, graph: &Graph) -> Result<()> {
    let purged = |what: &str, id: &str| {
        Diagnostic::error(format!("The deleted {what} {id} is gone for good"))
            .help("It was purged after the plan was made. Plan again: it will be made anew.")
    };
    let id = prior.id.get()?;
    // Looked for once more after a failure: a restoration may have been done before its answer was lost.
    if graph.application(id).await?.is_none()
        && !graph.restore_deleted_item(id).await?
        && graph.application(id).await?.is_none()
    {
        return Err(purged("application", id).into());
    }
    if let Some(principal) = prior.service_principal_id.known()
        && graph.service_principal(principal).await?.is_none()
        && !graph.restore_deleted_item(principal).await?
        && graph.service_principal(principal).await?.is_none()
    {
        return Err(purged("service principal", principal).into());
    }
    Ok(())
}
