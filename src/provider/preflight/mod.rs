//! Whether the run's own identity may do what a plan is going to do: said while planning, before an apply stops in the middle. What is
//! needed stands in `graph::needed`; what is held is in the run's own token. What cannot be read is no finding.

mod advice;
pub(super) mod model;

pub use model::Work;

use super::services::{Cx, Tenant};
use crate::framework::{Computed, Diagnostics, Result};
use crate::graph::needed::{GRANT_ROLE, READ_ROLES, READ_SCOPES, Right, WRITE_APPLICATION, WRITE_SCOPES};
use crate::graph::{Claims, Graph};
use advice::Place;
use model::{Missing, Owner, PreflightMode, holds, may_write, missing};

impl Cx {
    /// Compares what a plan is going to do with what the run's own token allows: an error, or warnings. Never where the provider is not
    /// wholly known, or where signing in fails: whoever needs the tenant says why.
    pub async fn preflight(&self, tenant: Option<&str>, work: &[Work<'_>]) -> Result<()> {
        let Some(services) = self.configured_services().filter(|services| services.is_known()) else { return Ok(()) };
        let mode = services.preflight.mode;
        if work.is_empty() || mode == PreflightMode::Off {
            return Ok(());
        }
        let Ok(tenant) = self.tenant(tenant).await else { return Ok(()) };
        let Ok(claims) = tenant.graph.token_claims().await else { return Ok(()) };
        let mut judged = Vec::new();
        for one in work {
            if self.is_done(one, &claims, &tenant).await {
                judged.push((one.operation, owner(one, &claims, &tenant.graph).await));
            }
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
        let lacking = missing(&claims, &judged);
        for one in &lacking {
            let mut said = one.said(is_error, &place, application);
            if services.preflight.is_first(claims.oid.as_deref().unwrap_or_default(), one.role) {
                said = said.help(one.advice(&place, application));
                let stops = is_error && judged.iter().any(|(operation, _)| *operation == &WRITE_APPLICATION);
                if let Some(more) = stops.then(|| of_a_consent(&claims, &lacking)).flatten() {
                    said = said.help(more);
                }
            }
            if is_error { found.push(said) } else { self.warn(said) }
        }
        found.into_result()
    }
}

impl Cx {
    /// Whether it is to be done at all: what decides is asked for only where the identity could not do it.
    async fn is_done(&self, work: &Work<'_>, claims: &Claims, tenant: &Tenant) -> bool {
        let Some(api) = work.absent_api else { return true };
        let (Ok(apis), false) = (self.apis(), missing(claims, &[(work.operation, Owner::Other)]).is_empty()) else {
            return false;
        };
        matches!(apis.offering(&tenant.graph, &tenant.id, api).await, Ok(None))
    }

    /// The same for what changes an application: what it asks for, its credentials, itself. `None`: the run makes it.
    pub async fn preflight_application(&self, tenant: &Computed<String>, application: Option<&str>) -> Result<()> {
        let work = [Work { application, ..Work::new(&WRITE_APPLICATION) }];
        self.preflight(tenant.known().map(String::as_str), &work).await
    }
}

/// What a consent on the application would need beside what is `said`: the CLI plans nothing that depends on what failed, and whoever
/// gives rights had better hear of all of them at once.
fn of_a_consent(claims: &Claims, said: &[Missing]) -> Option<String> {
    let work = [&READ_ROLES, &READ_SCOPES, &GRANT_ROLE, &WRITE_SCOPES].map(|operation| (operation, Owner::Run));
    let more = missing(claims, &work).into_iter().filter(|one| !said.iter().any(|said| said.role == one.role));
    let lines: Vec<_> = more
        .map(|one| format!("  - {}: {}", one.role, one.purposes.into_iter().collect::<Vec<_>>().join("; ")))
        .collect();
    (!lines.is_empty()).then(|| {
        format!(
            "While this fails, what depends on it is not planned. A consent on it needs these, which the identity lacks as well:\n{}",
            lines.join("\n")
        )
    })
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
