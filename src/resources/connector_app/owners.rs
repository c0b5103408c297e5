//! Owners of an application: whoever made it and whoever runs the provider own it unasked, and are neither drift nor removed.

use super::model::State;
use crate::framework::{Diagnostic, Result};
use crate::graph::{Graph, GraphError, Shows};
use crate::provider::Cx;
use serde_json::json;
use std::collections::BTreeSet;

/// Owners of an application; none of one that is deleted, whose owners Graph does not tell.
pub(super) async fn owners_of(graph: &Graph, id: &str) -> std::result::Result<BTreeSet<String>, GraphError> {
    match graph.application_owners(id).await {
        Ok(all) => Ok(all.into_iter().map(|owner| owner.to_lowercase()).collect()),
        Err(error) if error.is_not_found() => Ok(BTreeSet::new()),
        Err(error) => Err(error),
    }
}

/// Name of an owner's entry in a view.
pub(super) fn entry(owner: &str) -> String {
    format!("owner:{}", owner.to_lowercase())
}

impl State {
    /// Owners without those that came by themselves, unless they were asked for; in the spelling in which they were asked for.
    pub(super) async fn observe_owners(&mut self, all: BTreeSet<String>, graph: &Graph) -> Result<()> {
        let unasked = self.unasked_owners(graph).await?;
        let spelled = |owner: String| {
            let declared = self.private.owners.iter().find(|declared| declared.eq_ignore_ascii_case(&owner));
            declared.cloned().or_else(|| (!unasked.contains(&owner)).then_some(owner))
        };
        self.value.owners = all.into_iter().filter_map(spelled).collect::<BTreeSet<_>>().into();
        Ok(())
    }

    /// Who owns the application without having been asked for: whoever made it, and whoever runs the provider now.
    async fn unasked_owners(&self, graph: &Graph) -> Result<BTreeSet<String>> {
        let runner = graph.token_claims().await?.oid;
        Ok(runner.into_iter().chain(self.private.creator.clone()).map(|owner| owner.to_lowercase()).collect())
    }

    pub(super) fn declared_owners(&self, cx: &Cx) -> BTreeSet<String> {
        self.value.owners.known().filter(|_| cx.is_configured("owners")).into_iter().flatten().cloned().collect()
    }

    /// The present owners, read afresh; what a replica shows as it was before a recent write of ours is taken from `prior`.
    pub(super) async fn present_owners(&self, id: &str, prior: &State, graph: &Graph) -> Result<BTreeSet<String>> {
        let asked = graph.asks();
        let mut present = owners_of(graph, id).await?;
        let read = graph.since(asked);
        let known: BTreeSet<String> =
            prior.value.owners.known().into_iter().flatten().map(|owner| owner.to_lowercase()).collect();
        let all: BTreeSet<String> = present.union(&known).cloned().collect();
        for owner in all {
            let seen = present.contains(&owner).then(|| json!(true));
            if self.private.writes.shows(read, &entry(&owner), seen.as_ref()) == Shows::Stale {
                if known.contains(&owner) {
                    present.insert(owner)
                } else {
                    present.remove(&owner)
                };
            }
        }
        Ok(present)
    }

    /// Adds the owners that are planned, and removes those of `present` that are neither planned nor unasked for.
    pub(super) async fn write_owners(
        &mut self,
        id: &str,
        present: &BTreeSet<String>,
        graph: &Graph,
        cx: &Cx,
    ) -> Result<()> {
        self.private.owners = self.declared_owners(cx);
        if !cx.is_configured("owners") {
            return self.observe_owners(present.clone(), graph).await;
        }
        let planned: BTreeSet<String> = self.private.owners.iter().map(|owner| owner.to_lowercase()).collect();
        for owner in planned.difference(present) {
            if let Err(error) = graph.add_application_owner(id, owner).await {
                return Err(cannot_own(error, owner, graph).await?.into());
            }
        }
        let unasked = self.unasked_owners(graph).await?;
        for owner in present.difference(&planned).filter(|owner| !unasked.contains(*owner)) {
            graph.remove_application_owner(id, owner).await?;
        }
        Ok(())
    }
}

/// Why it could not be added, and what was probably meant: only users and service principals own applications, by their object ids.
async fn cannot_own(error: GraphError, owner: &str, graph: &Graph) -> Result<Diagnostic> {
    let refusal = Diagnostic::from(error).at("owners").help(format!("The owner that could not be added is {owner}."));
    if let Some(principal) = graph.service_principal_by_app_id(owner).await.ok().flatten() {
        return Ok(refusal.help(format!(
            "{owner} is the client id of \"{}\". An owner is given by object id: its service principal has {}.",
            principal.display_name.as_deref().unwrap_or("an application"),
            principal.id
        )));
    }
    if let Some(app) = graph.application(owner).await.ok().flatten() {
        let principal = graph.service_principal_by_app_id(&app.app_id).await.ok().flatten();
        let instead = principal.map(|one| format!(": {}", one.id)).unwrap_or_default();
        return Ok(refusal.help(format!(
            "{owner} is the application \"{}\". An owner is a user or a service principal: give the one of that application{instead}.",
            app.display_name
        )));
    }
    Ok(refusal.help("It has to be the object id of a user or a service principal of this tenant."))
}
