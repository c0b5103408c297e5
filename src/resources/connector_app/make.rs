//! How an application comes to be: made, taken over from a create that did not end, adopted, restored after a destroy, or made anew.

use super::marker::{is_ours, is_unfinished, new_tags};
use super::model::{ConnectorApp, OnExisting};
use super::names::{name_is_taken, why_taken};
use super::owners::owners_of;
use crate::framework::{Diagnostic, Result};
use crate::graph::{
    Application, ApplicationPatch, Graph, GraphError, Patch, ServicePrincipal, ServicePrincipalPatch, WINDOW,
};
use crate::provider::{Claim, Cx};

/// Tag with which the portal lists a service principal among the enterprise applications.
const PORTAL_TAG: &str = "WindowsAzureActiveDirectoryIntegratedApp";

/// Where a create got its application from.
pub(super) enum Made {
    /// Made just now.
    New(Application),
    /// Ours, from a create that did not end or from before it was deleted: what is left on it has to go.
    Ours(Application),
    /// There already, and wanted as it is.
    Adopted(Application),
}

/// Who has a unique name.
enum Holder {
    Living(Application),
    Deleted(Application),
}

impl Made {
    pub(super) fn application(&self) -> &Application {
        match self {
            Self::New(app) | Self::Ours(app) | Self::Adopted(app) => app,
        }
    }
}

/// What an application of ours will be once it has been emptied: nothing that was left on it is read back as if it were wanted.
fn emptied(app: Application) -> Application {
    Application { description: None, notes: None, service_management_reference: None, tags: Vec::new(), ..app }
}

impl ConnectorApp {
    /// All of it, for an application that is made or begun afresh, with our own tags.
    fn to_graph(&self, graph: &Graph) -> ApplicationPatch {
        let mut patch = self.changes(None);
        patch.tags = Some(new_tags(self.tags.known(), graph.now()));
        patch.access_token_version = self.token_version(None);
        patch
    }

    /// Makes the application, or takes the one that has its name already where that may be.
    pub(super) async fn make(&self, claim: &mut Claim<'_>, cx: &Cx) -> Result<Made> {
        let graph = &claim.tenant.graph.clone();
        let taken = match graph.create_application(&self.to_graph(graph)).await {
            Ok(app) => return Ok(Made::New(app)),
            Err(error) if error.is_unique_name_taken() => error,
            Err(error) => return Err(error.into()),
        };
        let name = self.unique_name.get()?;
        // Somebody holds the name, though the directory may not show yet who.
        let look = async || match graph.application_by_unique_name(name).await? {
            Some(found) => Ok(Some(Holder::Living(found))),
            None => Ok(graph.deleted_application_by_unique_name(name).await?.map(Holder::Deleted)),
        };
        let holder = match graph.until_found(look).await {
            Err(error) if error.is_forbidden() => return Err(holder_is_hidden(name, error).into()),
            other => other?,
        };
        let deleted = match holder {
            Some(Holder::Living(found)) => {
                claim.lock(&found.id).await?;
                return self.take_over(found, graph, cx).await;
            }
            Some(Holder::Deleted(deleted)) => deleted,
            None => {
                return Err(Diagnostic::from(taken)
                    .at("unique_name")
                    .help(format!("The unique name \"{name}\" is taken, but neither an application nor a deleted one with it can be seen. Try again in a minute, or choose another `unique_name`."))
                    .into());
            }
        };
        if !is_ours(&deleted) {
            return Err(Diagnostic::error(format!("A deleted application still holds the unique name \"{name}\""))
                .at("unique_name")
                .help(format!("It is \"{}\" with object id {}, and this provider did not make it.", deleted.display_name, deleted.id))
                .help(format!("To go on with it, restore it (Entra admin center, App registrations, Deleted applications) and import it with the id `{}`. Else delete it there permanently, or choose another `unique_name`.", deleted.id))
                .into());
        }
        claim.lock(&deleted.id).await?;
        if self.restore_deleted {
            self.restore(deleted, graph, cx).await
        } else {
            self.make_anew(&deleted, graph).await
        }
    }

    async fn take_over(&self, found: Application, graph: &Graph, cx: &Cx) -> Result<Made> {
        let unfinished = is_unfinished(&found, graph).await?;
        if !unfinished && !self.adopts(&found) {
            let refusal = name_is_taken(&found).at("unique_name");
            // The plan of such a replacement cannot know: the CLI tells the provider of it neither there nor here.
            return Err(refusal
                .help("If this replaces an application of this configuration with `create_before_destroy`, the old one still has the name: leave `create_before_destroy` away, or change `unique_name` with it. Nothing was changed.")
                .into());
        }
        cx.warn(
            Diagnostic::warning(format!("The existing application \"{}\" was taken over", found.display_name)).help(
                format!(
                    "Client id {}, object id {}. {}",
                    found.app_id,
                    found.id,
                    why_taken(unfinished, self.on_existing)
                ),
            ),
        );
        Ok(if unfinished { Made::Ours(emptied(found)) } else { Made::Adopted(found) })
    }

    /// Whether an application that has our name already is to be managed as it is.
    pub(super) fn adopts(&self, found: &Application) -> bool {
        match self.on_existing {
            OnExisting::Error => false,
            OnExisting::Adopt => true,
            OnExisting::AdoptOurs => is_ours(found),
        }
    }

    /// Brings back a deleted application of ours. Its deleted principals go first: as long as there is none at all, the restoration is
    /// known not to have ended.
    async fn restore(&self, deleted: Application, graph: &Graph, cx: &Cx) -> Result<Made> {
        purge_principals(&deleted.app_id, graph).await?;
        // It is there already where this was done before its answer was lost.
        if !graph.restore_deleted_item(&deleted.id).await? && graph.application(&deleted.id).await?.is_none() {
            return Err(Diagnostic::error(format!("The deleted application {} was purged meanwhile", deleted.id))
                .help("Apply again.")
                .into());
        }
        cx.warn(Diagnostic::warning(format!("The deleted application \"{}\" was restored", deleted.display_name)).help(format!(
            "It held the unique name \"{}\": client id {}, object id {}. Its old credentials, owners, permissions and grants did not come back. \
             Set `restore_deleted = false` to have such an application purged and made anew.",
            self.unique_name.get()?, deleted.app_id, deleted.id
        )));
        Ok(Made::Ours(emptied(deleted)))
    }

    /// Purges a deleted application of ours and makes a new one in its place.
    async fn make_anew(&self, deleted: &Application, graph: &Graph) -> Result<Made> {
        purge_principals(&deleted.app_id, graph).await?;
        graph.purge_deleted_item(&deleted.id).await?;
        let mut waits = graph.waits();
        loop {
            match graph.create_application(&self.to_graph(graph)).await {
                // The directory may not have seen everywhere yet that the name is free.
                Err(error) if error.is_unique_name_taken() && waits.again(WINDOW, Some(&error)).await? => {}
                made => return Ok(Made::New(made?)),
            }
        }
    }

    /// Takes from an application of ours all that is left from before: nothing that once let somebody in may come back unseen. The
    /// first write carries the marker, so that a create that ends half-way is taken up again.
    pub(super) async fn start_afresh(&self, app: &Application, creator: Option<&str>, graph: &Graph) -> Result<()> {
        let mut patch = self.to_graph(graph);
        patch.unique_name = None;
        for text in [&mut patch.description, &mut patch.notes, &mut patch.service_management_reference] {
            if *text == Patch::Absent {
                *text = Patch::Null;
            }
        }
        patch.required_resource_access = Some(Vec::new());
        patch.clear_key_credentials = true;
        graph.update_application(&app.id, &patch).await?;
        for secret in graph.application_credentials(&app.id).await?.unwrap_or_default().password_credentials {
            graph.remove_password(&app.id, &secret.key_id).await?;
        }
        for federated in graph.federated_credentials(&app.id).await? {
            graph.delete_federated_credential(&app.id, &federated.id).await?;
        }
        let kept = |owner: &&String| creator.is_some_and(|creator| creator.eq_ignore_ascii_case(owner));
        for owner in owners_of(graph, &app.id).await?.iter().filter(|owner| !kept(owner)) {
            graph.remove_application_owner(&app.id, owner).await?;
        }
        purge_principals(&app.app_id, graph).await
    }

    pub(super) async fn make_principal(&self, graph: &Graph, app_id: &str) -> Result<ServicePrincipal> {
        let properties = ServicePrincipalPatch {
            account_enabled: Some(self.account_enabled),
            app_role_assignment_required: Some(self.assignment_required),
            tags: Some(vec![PORTAL_TAG.to_owned()]),
        };
        let found = match graph.create_service_principal(app_id, &properties).await {
            Ok(made) => return Ok(made),
            Err(error) if error.is_conflict() => {
                match graph.until_found(|| graph.service_principal_by_app_id(app_id)).await? {
                    Some(found) => found,
                    None => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        };
        let patch = ServicePrincipalPatch {
            account_enabled: (found.account_enabled != Some(self.account_enabled)).then_some(self.account_enabled),
            app_role_assignment_required: (found.app_role_assignment_required != Some(self.assignment_required))
                .then_some(self.assignment_required),
            tags: (!found.tags.iter().any(|tag| tag == PORTAL_TAG))
                .then(|| found.tags.iter().cloned().chain([PORTAL_TAG.to_owned()]).collect()),
        };
        graph.remember_principal(&found.id);
        if patch != ServicePrincipalPatch::default() {
            graph.update_service_principal(&found.id, &patch).await?;
        }
        Ok(found)
    }
}

/// Deleted principals of an application: a later restoration of one would bring its grants back.
async fn purge_principals(app_id: &str, graph: &Graph) -> Result<()> {
    let deleted = match graph.deleted_service_principals_of(app_id).await {
        // Not for an identity that manages only applications of its own: a new principal keeps these from being restored, too.
        Err(error) if error.is_forbidden() => Vec::new(),
        other => other?,
    };
    for principal in deleted {
        graph.purge_deleted_item(&principal.id).await?;
    }
    Ok(())
}

/// The name is taken, and who has it cannot be looked up: an identity that manages only applications of its own may not list what was
/// deleted. Source: Graph's permissions for listing deleted items.
fn holder_is_hidden(name: &str, refusal: GraphError) -> Diagnostic {
    Diagnostic::from(refusal)
        .at("unique_name")
        .help(format!("The unique name \"{name}\" is taken, most likely by an application that was destroyed less than 30 days ago: it keeps the name while it is among the deleted ones."))
        .help("Let the provider's identity read deleted applications, restore or delete that one permanently by hand (Entra admin center, App registrations, Deleted applications), or choose another `unique_name`. With `deletion = \"permanent\"` a destroyed application leaves its name free.")
}
