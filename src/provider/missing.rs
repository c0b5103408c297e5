//! What a resource's application or service principal is while it does not show: deleted, and back once this run has restored it; or
//! named by an id of something else.

use super::services::Cx;
use crate::framework::{Diagnostic, Diagnostics, Result};
use crate::graph::{Application, Graph, ServicePrincipal};

/// While a create is planned on an application that does not show: gives the deleted one, which comes back in this run or is
/// restored by hand before; a warning says so. Anything else is an error that says what was probably meant.
pub(crate) async fn deleted_application(graph: &Graph, id: &str, cx: &Cx) -> Result<Application> {
    let Some(deleted) = graph.deleted_application(id).await? else { return Err(no_such_application(graph, id).await?) };
    warn_of_deleted(&format!("application \"{}\"", deleted.display_name), "application_id", id, cx);
    Ok(deleted)
}

/// The same of a service principal.
pub(crate) async fn deleted_principal(graph: &Graph, id: &str, cx: &Cx) -> Result<ServicePrincipal> {
    let Some(deleted) = graph.deleted_service_principal(id).await? else {
        return Err(no_such_principal(graph, id).await?);
    };
    let name = deleted.display_name.as_deref().unwrap_or("an application");
    warn_of_deleted(&format!("service principal of \"{name}\""), "service_principal_id", id, cx);
    Ok(deleted)
}

fn warn_of_deleted(what: &str, attribute: &str, id: &str, cx: &Cx) {
    cx.warn(Diagnostic::warning(format!("The {what} is deleted")).at(attribute).help(format!(
        "Somebody deleted {id}. This resource is made once the `m365_connector_app` that manages it has restored it, which the same apply \
         does. Where none does, restore it in the Entra admin center first."
    )));
}

/// Why there is no application of that object id, and what was probably meant.
pub(crate) async fn no_such_application(graph: &Graph, id: &str) -> Result<Diagnostics> {
    let error = Diagnostic::error(format!("There is no application with the object id {id}")).at("application_id");
    if let Some(deleted) = graph.deleted_application(id).await? {
        return Ok(error
            .help(format!(
                "It is \"{}\", which somebody deleted. An apply of its `m365_connector_app` restores it; else restore it in the Entra admin \
                 center (App registrations, Deleted applications), and apply again.",
                deleted.display_name
            ))
            .into());
    }
    if let Some(app) = graph.application_by_app_id(id).await? {
        return Ok(error
            .help(format!(
                "{id} is the client id of \"{}\"; its object id is {}. Use the `id` of an `m365_connector_app`.",
                app.display_name, app.id
            ))
            .into());
    }
    let principal = match graph.service_principal_by_app_id(id).await? {
        Some(principal) => Some(principal),
        None => graph.service_principal(id).await?,
    };
    let Some(principal) = principal else {
        return Ok(error.help("Use the `id` of an `m365_connector_app`, or of the data source of that name.").into());
    };
    let name = principal.display_name.as_deref().unwrap_or("an application");
    // Of an application that lives here the principal's id was given by mistake.
    if let Some(app) = graph.application_by_app_id(&principal.app_id).await? {
        return Ok(error
            .help(format!("{id} is the service principal of \"{name}\"; the application's object id is {}.", app.id))
            .into());
    }
    let home = principal.app_owner_organization_id.as_deref().unwrap_or("another one");
    Ok(error
        .help(format!(
            "\"{name}\" lives in tenant {home}, only consent is possible: what it asks for is decided there."
        ))
        .help(format!("Grant it with an `m365_admin_consent` on the service principal {}.", principal.id))
        .into())
}

/// Why there is no service principal of that object id, and what was probably meant.
pub(crate) async fn no_such_principal(graph: &Graph, id: &str) -> Result<Diagnostics> {
    let error =
        Diagnostic::error(format!("There is no service principal with the object id {id}")).at("service_principal_id");
    if let Some(deleted) = graph.deleted_service_principal(id).await? {
        let name = deleted.display_name.as_deref().unwrap_or("an application");
        return Ok(error
            .help(format!(
                "It is the service principal of \"{name}\", which somebody deleted. An apply of its `m365_connector_app` restores it; else \
                 restore it in the Entra admin center (Enterprise applications, Deleted applications), and apply again."
            ))
            .into());
    }
    if let Some(principal) = graph.service_principal_by_app_id(id).await? {
        let name = principal.display_name.as_deref().unwrap_or("an application");
        return Ok(error
            .help(format!(
                "{id} is the client id of \"{name}\"; its service principal has the object id {}.",
                principal.id
            ))
            .into());
    }
    if let Some(app) = graph.application(id).await?
        && let Some(principal) = graph.service_principal_by_app_id(&app.app_id).await?
    {
        return Ok(error
            .help(format!(
                "{id} is the application \"{}\"; its service principal has the object id {}.",
                app.display_name, principal.id
            ))
            .into());
    }
    Ok(error
        .help("Use the `service_principal_id` of an `m365_connector_app`, or of the data source of that name.")
        .into())
}
