//! What a missing right is said with: what it is for, who lacks it, and how somebody gives it.

use super::model::Missing;
use crate::catalog::{Catalog, Kind};
use crate::framework::Diagnostic;
use crate::graph::Claims;
use crate::provider::guardrails::DESTROY;

/// Where somebody can look, and what commands name.
pub(super) struct Place<'a> {
    pub claims: &'a Claims,
    /// Base URL of Graph.
    pub graph: &'a str,
    /// Base URL of Entra's portal, where the cloud has one.
    pub portal: Option<&'static str>,
}

/// Microsoft Graph's client id.
const GRAPH: &str = "00000003-0000-0000-c000-000000000000";

impl Missing {
    /// The finding, without severity: the same words on every resource.
    pub(super) fn said(&self, is_error: bool, place: &Place<'_>, application: Option<&str>) -> Diagnostic {
        let summary = format!("The run's identity lacks {}", self.role);
        let found = if is_error { Diagnostic::error(summary) } else { Diagnostic::warning(summary) };
        let purposes = self.purposes.iter().map(|purpose| format!("  - {purpose}")).collect::<Vec<_>>().join("\n");
        let found = found.help(format!(
            "This plan needs the application permission {} of Microsoft Graph to:\n{purposes}",
            self.role
        ));
        let who = match (&place.claims.appid, &place.claims.oid) {
            (Some(client), Some(object)) => format!("the application {client} (service principal {object})"),
            (None, Some(object)) => format!("the service principal {object}"),
            _ => "the provider's own application".to_owned(),
        };
        let found = match application.filter(|_| self.is_of_another) {
            Some(application) => found.help(format!(
                "The run signs in as {who}. It holds `Application.ReadWrite.OwnedBy`, which reaches only what it made or owns, and the application {application} is not its own."
            )),
            None => found.help(format!("The run signs in as {who}, whose token does not have it.")),
        };
        if is_error {
            found.help("An apply would stop in the middle.")
        } else {
            found.help("This identity can plan; the one that applies needs the permission.")
        }
    }

    /// How to give it.
    pub(super) fn advice(&self, place: &Place<'_>, application: Option<&str>) -> String {
        let role = self.role;
        let id = Catalog::built_in().api("microsoft_graph").and_then(|api| api.find(Kind::Application, role).ok());
        let (Some(object), Some(id)) = (&place.claims.oid, id.map(|one| one.id.as_str())) else {
            return format!("Somebody who may consent for the tenant has to grant {role} of Microsoft Graph to it.");
        };
        let graph = place.graph;
        let mut ways = vec![
            "Somebody who may consent for the tenant (Privileged Role Administrator, Global Administrator) gives it in one of these ways; the next run's token has it (a managed identity's may take up to a day).".to_owned(),
            // Source: Microsoft's "Assign a managed identity access to an application role using Azure CLI" and "… PowerShell", which
            // serve every service principal, and say that a managed identity's token is cached.
            format!(
                "With the Azure CLI:\n  az rest --method POST --url \"{graph}/v1.0/servicePrincipals/{object}/appRoleAssignments\" --body \"{{\\\"principalId\\\":\\\"{object}\\\",\\\"resourceId\\\":\\\"$(az ad sp show --id {GRAPH} --query id --output tsv)\\\",\\\"appRoleId\\\":\\\"{id}\\\"}}\""
            ),
            format!(
                "With PowerShell:\n  New-MgServicePrincipalAppRoleAssignment -ServicePrincipalId {object} -PrincipalId {object} -AppRoleId {id} -ResourceId (Get-MgServicePrincipal -Filter \"appId eq '{GRAPH}'\").Id"
            ),
            format!(
                "With this provider:\n  resource \"m365_admin_consent\" \"runner\" {{\n    service_principal_id = \"{object}\"\n    permissions          = [\"microsoft_graph/application/{role}\"]\n    exclusive            = false\n  }}"
            ),
        ];
        if let (Some(portal), Some(client)) = (place.portal, &place.claims.appid) {
            ways.push(format!(
                "In the portal, under \"API permissions\":\n  {portal}/#view/Microsoft_AAD_RegisteredApps/ApplicationMenuBlade/~/CallAnAPI/appId/{client}"
            ));
        }
        if let Some(application) = application.filter(|_| self.is_of_another) {
            // Enough for this one application, and so the smaller gift.
            ways.push(format!(
                "Or make the identity an owner of the application, which is enough for this one:\n  az ad app owner add --id {application} --owner-object-id {object}"
            ));
        }
        ways.push("To plan without this comparison, set `preflight` in the provider block, or the variable `M365_PREFLIGHT`, to `warn` or `off`.".to_owned());
        ways.push(DESTROY.to_owned());
        ways.join("\n\n")
    }
}
