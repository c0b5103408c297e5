//! Whether the run's own identity may do what a plan is going to do: said while planning, before an apply stops in the middle. What is
//! needed stands in `graph::needed`; what is held is in the run's own token. What cannot be read is no finding.

mod advice;
mod model;

pub use model::{Missing, Owner, Preflight, PreflightMode, Work, is_readable, missing};

use super::services::Cx;
use crate::framework::{Computed, Diagnostics, Result};
use crate::graph::needed::{Right, WRITE_APPLICATION};
use crate::graph::{Claims, Graph};
use advice::Place;
use model::{holds, may_write};

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
