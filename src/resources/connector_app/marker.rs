//! The tags that this provider puts on an application: which ones it made, and whether a create of it has been confirmed by a later
//! write. What nobody has confirmed, and nobody uses, is what an interrupted create has left.

use crate::graph::{Application, ApplicationPatch, Graph, GraphError, ServicePrincipal};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// Start of the tag of an application whose creation has not been confirmed by a later write; the time of the create follows. It lets
/// a repeated create know its own.
const MARKER: &str = "terraform-provider-m365:created:";
/// Tag of every application that this provider made.
const OURS: &str = "terraform-provider-m365";

/// Whether a tag marks an application whose creation has not been confirmed by a later write.
pub(crate) fn is_marker(tag: &str) -> bool {
    tag.starts_with(MARKER)
}

pub(super) fn is_ours(app: &Application) -> bool {
    app.tags.iter().any(|tag| tag == OURS)
}

/// Tags without our own.
pub(super) fn visible_tags(tags: &[String]) -> BTreeSet<String> {
    tags.iter().filter(|tag| *tag != OURS && !is_marker(tag)).cloned().collect()
}

/// Tags of an application that is made now: the wanted ones, our own, and the marker with the server's time.
pub(super) fn new_tags(wanted: Option<&BTreeSet<String>>, now: Timestamp) -> Vec<String> {
    let marker = format!("{MARKER}{}", now.strftime("%Y-%m-%dT%H:%M:%SZ"));
    wanted.into_iter().flatten().cloned().chain([OURS.to_owned(), marker]).collect()
}

/// Tags of an application once `visible` are written to it: the marker goes, since a later write confirms the create.
pub(super) fn confirmed_tags(visible: &BTreeSet<String>, present: &[String]) -> Vec<String> {
    visible.iter().cloned().chain(present.iter().filter(|tag| *tag == OURS).cloned()).collect()
}

/// Confirms a create by a later write of ours: takes the marker off. Nothing is asked where `tags`, as read a moment ago, show none;
/// `None` where they have not been read. The application's lock is held by the caller. An identity that may not write applications
/// confirms by the use alone that its write makes of the application.
pub(crate) async fn confirm_create(
    graph: &Graph,
    application: &str,
    tags: Option<&[String]>,
) -> Result<(), GraphError> {
    if tags.is_some_and(|tags| !tags.iter().any(|tag| is_marker(tag))) {
        return Ok(());
    }
    // Tags are one collection that holds ours too: merged on a fresh read, so that none of anybody's is lost.
    let Some(fresh) = graph.application(application).await?.map(|app| app.tags) else { return Ok(()) };
    let kept: Vec<String> = fresh.iter().filter(|tag| !is_marker(tag)).cloned().collect();
    if kept == fresh {
        return Ok(());
    }
    let patch = ApplicationPatch { tags: Some(kept), ..ApplicationPatch::default() };
    match graph.update_application(application, &patch).await {
        Err(error) if error.is_forbidden() || error.is_not_found() => Ok(()),
        other => other,
    }
}

/// Whether a create of ours made or restored this application and did not end. Either it bears the marker, is young, and nobody uses
/// it; or it is ours and has no service principal, not even a deleted one: a restoration purges that before it begins, and makes
/// another at its end. Somebody who deletes the principal by hand leaves a deleted one.
pub(super) async fn is_unfinished(app: &Application, graph: &Graph) -> Result<bool, GraphError> {
    if !is_ours(app) {
        return Ok(false);
    }
    let principal = graph.service_principal_by_app_id(&app.app_id).await?;
    if principal.is_none()
        && let Some(deleted) = nothing_if_forbidden(graph.deleted_service_principals_of(&app.app_id).await)?
    {
        return Ok(deleted.is_empty());
    }
    Ok(is_young(app, graph.now()) && !is_in_use(app, principal.as_ref(), graph).await?)
}

/// Whether a marker says that it was made less than a day ago.
fn is_young(app: &Application, now: Timestamp) -> bool {
    let made = app.tags.iter().filter_map(|tag| tag.strip_prefix(MARKER)).filter_map(|at| at.parse::<Timestamp>().ok());
    made.into_iter().any(|at| now.duration_since(at).as_hours() < 24)
}

/// Whether anything was put on it since it was made: a requested permission, a credential, a federated credential or a grant.
async fn is_in_use(app: &Application, principal: Option<&ServicePrincipal>, graph: &Graph) -> Result<bool, GraphError> {
    if !app.required_resource_access.is_empty() {
        return Ok(true);
    }
    let credentials = graph.application_credentials(&app.id).await?.unwrap_or_default();
    if !credentials.password_credentials.is_empty() || !credentials.key_credentials.is_empty() {
        return Ok(true);
    }
    let federated = match graph.federated_credentials(&app.id).await {
        Err(error) if error.is_not_found() => Vec::new(),
        other => other?,
    };
    if !federated.is_empty() {
        return Ok(true);
    }
    let Some(principal) = principal else { return Ok(false) };
    let credentials = graph.service_principal_credentials(&principal.id).await?.unwrap_or_default();
    if !credentials.password_credentials.is_empty() || !credentials.key_credentials.is_empty() {
        return Ok(true);
    }
    let roles = nothing_if_forbidden(graph.app_role_assignments(&principal.id).await)?.flatten();
    let scopes = nothing_if_forbidden(graph.permission_grants(&principal.id).await)?;
    Ok(roles.is_some_and(|all| !all.is_empty()) || scopes.is_some_and(|all| !all.is_empty()))
}

/// An identity that may only manage applications of its own may not read everything: what it cannot see decides nothing.
fn nothing_if_forbidden<T>(answer: Result<T, GraphError>) -> Result<Option<T>, GraphError> {
    match answer {
        Err(error) if error.is_forbidden() => Ok(None),
        other => other.map(Some),
    }
}
