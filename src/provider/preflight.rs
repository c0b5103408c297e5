//! Whether the run's own identity may do what a plan is going to do: said while planning, before an apply stops in the middle. What is
//! needed stands in `graph::needed`; what is held is in the run's own token. What cannot be read is no finding.

use super::services::Cx;
use crate::catalog::{Catalog, Kind};
use crate::framework::{Computed, Diagnostic, Diagnostics, Result};
use crate::graph::needed::{Operation, Right, WRITE_APPLICATION, WRITERS};
use crate::graph::{Claims, Graph};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

/// What becomes of a missing right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PreflightMode {
    /// An error when the identity may write, but not all that is needed; a warning when it may write nothing and can only be planning.
    #[default]
    Auto,
    /// An error.
    Error,
    /// A warning.
    Warn,
    /// Nothing is compared.
    Off,
}

/// Whose the object is that is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The run's: it is going to make it, or owns it.
    Run,
    /// Somebody else's.
    Other,
    /// It cannot be read.
    Unknown,
}

/// Something that a plan is going to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work<'a> {
    /// What sort of call.
    pub operation: &'static Operation,
    /// Object id of the application that is changed; `None` where the run makes it, or where it does not matter whose it is.
    pub application: Option<&'a str>,
}

impl Work<'_> {
    /// Work that needs the same right on anybody's object, or that is on an object of the run's own.
    pub fn new(operation: &'static Operation) -> Self {
        Self { operation, application: None }
    }
}

/// A permission that the run's identity lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Value of the app role of Microsoft Graph.
    pub role: &'static str,
    /// What it is for.
    pub purposes: BTreeSet<&'static str>,
    /// The narrower one does not do here, because the object is somebody else's.
    pub is_of_another: bool,
}

/// The provider block's choice, and what has been advised already.
#[derive(Debug, Default)]
pub struct Preflight {
    /// What becomes of a missing right.
    pub mode: PreflightMode,
    advised: Mutex<HashSet<(String, &'static str)>>,
}

impl Preflight {
    /// With nothing said yet.
    pub fn new(mode: PreflightMode) -> Self {
        Self { mode, ..Self::default() }
    }

    /// Whether this right of this identity is missed for the first time in the run: then the whole advice is given.
    fn is_first(&self, identity: &str, role: &'static str) -> bool {
        self.advised.lock().unwrap_or_else(PoisonError::into_inner).insert((identity.to_owned(), role))
    }
}

/// Whether a token says what its holder may do. One of a person does not: that rests on the person's roles too.
pub fn is_readable(claims: &Claims) -> bool {
    claims.scp.is_none() && (claims.roles.is_some() || claims.oid.is_some())
}

fn holds(claims: &Claims, role: &str) -> bool {
    claims.roles.iter().flatten().any(|held| held == role)
}

/// What is missing for a right, if anything: the permission to give.
fn lacks(right: &Right, claims: &Claims, owner: Owner) -> Option<&'static str> {
    let wide = [right.least].into_iter().chain(right.or).chain(right.wider.iter().copied());
    if wide.into_iter().any(|role| holds(claims, role)) {
        return None;
    }
    match right.own {
        Some(own) if owner != Owner::Other => (!holds(claims, own)).then_some(own),
        _ => Some(right.least),
    }
}

/// Everything that the holder of a token lacks for some work; nothing where the token does not say.
pub fn missing(claims: &Claims, work: &[(&'static Operation, Owner)]) -> Vec<Missing> {
    let mut found: BTreeMap<&'static str, Missing> = BTreeMap::new();
    if !is_readable(claims) {
        return Vec::new();
    }
    for (operation, owner) in work {
        let may = |role: &&str| claims.wids.iter().flatten().any(|held| held.eq_ignore_ascii_case(role));
        if operation.directory_roles.iter().any(may) {
            continue;
        }
        for right in operation.rights {
            let Some(role) = lacks(right, claims, *owner) else { continue };
            let one = found.entry(role).or_insert(Missing { role, purposes: BTreeSet::new(), is_of_another: false });
            one.purposes.insert(operation.purpose);
            one.is_of_another |= right.own.is_some_and(|own| holds(claims, own));
        }
    }
    found.into_values().collect()
}

/// Whether the holder of a token may write anything that this provider writes.
fn may_write(claims: &Claims) -> bool {
    WRITERS.iter().any(|role| holds(claims, role))
}

/// Where somebody can look, and what commands name.
struct Place<'a> {
    claims: &'a Claims,
    /// Base URL of Graph.
    graph: &'a str,
    /// Base URL of Entra's portal, where the cloud has one.
    portal: Option<&'static str>,
}

/// Microsoft Graph's client id.
const GRAPH: &str = "00000003-0000-0000-c000-000000000000";

impl Missing {
    /// The finding, without severity: the same words on every resource.
    fn said(&self, is_error: bool, place: &Place<'_>, application: Option<&str>) -> Diagnostic {
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
    fn advice(&self, place: &Place<'_>, application: Option<&str>) -> String {
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
        ways.push(super::guardrails::DESTROY.to_owned());
        ways.join("\n\n")
    }
}

impl Cx {
    /// Compares what a plan is going to do with what the run's own token allows: an error, or warnings. Never where the provider is not
    /// wholly known, or where signing in fails: whoever needs the tenant says why.
    pub async fn preflight(&self, tenant: Option<&str>, work: &[Work<'_>]) -> Result<()> {
        let Some(services) = self.configured_services().filter(|services| services.is_known()) else { return Ok(()) };
        let mode = services.preflight.mode;
        if work.is_empty() || mode == PreflightMode::Off {
            return Ok(());
        }
        let Ok(graph) = self.tenant(tenant).await.map(|tenant| tenant.graph) else { return Ok(()) };
        let Ok(claims) = graph.token_claims().await else { return Ok(()) };
        let mut judged = Vec::new();
        for one in work {
            judged.push((one.operation, owner(one, &claims, &graph).await));
        }
        let is_error = match mode {
            PreflightMode::Auto => may_write(&claims),
            PreflightMode::Error => true,
            PreflightMode::Warn | PreflightMode::Off => false,
        };
        let place = Place {
            claims: &claims,
            graph: &services.settings.endpoints.graph,
            portal: services.settings.environment.portal(),
        };
        let application = work.iter().find_map(|one| one.application);
        let mut found = Diagnostics::default();
        for one in missing(&claims, &judged) {
            let mut said = one.said(is_error, &place, application);
            if services.preflight.is_first(claims.oid.as_deref().unwrap_or_default(), one.role) {
                said = said.help(one.advice(&place, application));
            }
            if is_error { found.push(said) } else { self.warn(said) }
        }
        found.into_result()
    }
}

impl Cx {
    /// The same for what changes an application: what it asks for, its credentials, itself. `None`: the run makes it.
    pub async fn preflight_application(&self, tenant: &Computed<String>, application: Option<&str>) -> Result<()> {
        let work = [Work { operation: &WRITE_APPLICATION, application }];
        self.preflight(tenant.known().map(String::as_str), &work).await
    }
}

/// Whose application it is, asked only where that decides.
async fn owner(work: &Work<'_>, claims: &Claims, graph: &Graph) -> Owner {
    let Some(application) = work.application else { return Owner::Run };
    let decides = |right: &Right| right.own.is_some_and(|own| holds(claims, own)) && !holds(claims, right.least);
    let (true, Some(run)) = (work.operation.rights.iter().any(decides), &claims.oid) else { return Owner::Unknown };
    match graph.application_owners(application).await {
        Ok(owners) if owners.iter().any(|owner| owner.eq_ignore_ascii_case(run)) => Owner::Run,
        Ok(_) => Owner::Other,
        Err(_) => Owner::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::needed::{GRANT_ROLE, OPERATIONS, READ_SCOPES, WRITE_APPLICATION, WRITE_SCOPES};

    fn with(roles: &[&str]) -> Claims {
        Claims {
            oid: Some("11111111-1111-4111-8111-111111111111".to_owned()),
            appid: Some("22222222-2222-4222-8222-222222222222".to_owned()),
            roles: Some(roles.iter().map(|role| (*role).to_owned()).collect()),
            ..Claims::default()
        }
    }

    fn names(claims: &Claims, work: &[(&'static Operation, Owner)]) -> Vec<&'static str> {
        missing(claims, work).iter().map(|one| one.role).collect()
    }

    #[test]
    fn all_that_is_missing_is_found_at_once_and_each_only_once() {
        let work = [
            (&GRANT_ROLE, Owner::Run),
            (&GRANT_ROLE, Owner::Run),
            (&WRITE_SCOPES, Owner::Run),
            (&READ_SCOPES, Owner::Run),
        ];
        assert_eq!(
            names(&with(&[]), &work),
            [
                "AppRoleAssignment.ReadWrite.All",
                "Application.Read.All",
                "DelegatedPermissionGrant.ReadWrite.All",
                "Directory.Read.All"
            ]
        );
        let held = with(&[
            "AppRoleAssignment.ReadWrite.All",
            "DelegatedPermissionGrant.ReadWrite.All",
            "Application.ReadWrite.All",
        ]);
        assert!(names(&held, &work).is_empty());
    }

    #[test]
    fn an_application_of_another_needs_the_wide_permission() {
        let owned = with(&["Application.ReadWrite.OwnedBy"]);
        assert!(names(&owned, &[(&WRITE_APPLICATION, Owner::Run)]).is_empty());
        assert!(names(&owned, &[(&WRITE_APPLICATION, Owner::Unknown)]).is_empty());
        let found = missing(&owned, &[(&WRITE_APPLICATION, Owner::Other)]);
        assert_eq!((found[0].role, found[0].is_of_another), ("Application.ReadWrite.All", true));
        assert_eq!(names(&with(&[]), &[(&WRITE_APPLICATION, Owner::Run)]), ["Application.ReadWrite.OwnedBy"]);
        assert!(names(&with(&["Application.ReadWrite.All"]), &[(&WRITE_APPLICATION, Owner::Other)]).is_empty());
    }

    #[test]
    fn what_a_token_does_not_say_is_no_finding() {
        let work = [(&GRANT_ROLE, Owner::Run)];
        assert!(names(&Claims::default(), &work).is_empty());
        assert!(names(&Claims { scp: Some("User.Read".to_owned()), ..with(&[]) }, &work).is_empty());
        // One without any application permission leaves `roles` out.
        assert_eq!(names(&Claims { roles: None, ..with(&[]) }, &work).len(), 2);
        let administrator = Claims { wids: Some(vec!["62E90394-69F5-4237-9190-012177145E10".to_owned()]), ..with(&[]) };
        assert!(names(&administrator, &work).is_empty());
    }

    #[test]
    fn every_permission_of_the_table_exists_and_can_be_given() {
        let api = Catalog::built_in().api("microsoft_graph").unwrap();
        for right in OPERATIONS.iter().flat_map(|one| one.rights) {
            let all = [right.least].into_iter().chain(right.own).chain(right.or).chain(right.wider.iter().copied());
            for role in all {
                assert!(api.find(Kind::Application, role).is_ok_and(|one| one.enabled), "{role}");
            }
        }
    }

    #[test]
    fn only_the_first_finding_of_a_run_has_the_advice() {
        let preflight = Preflight::new(PreflightMode::Error);
        assert!(preflight.is_first("a", "X") && !preflight.is_first("a", "X"));
        assert!(preflight.is_first("b", "X") && preflight.is_first("a", "Y"));
    }
}
