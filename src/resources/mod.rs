//! One file per managed resource.

pub mod admin_consent;
pub mod connector_app;
pub mod connector_certificate;
pub mod connector_credentials_exclusive;
pub mod connector_federated_credential;
pub mod connector_permission_set;
pub mod connector_secret;
mod ownership;
pub mod permissions;
mod redirect_uris;
pub mod review;
mod stale;
mod x509;

pub use admin_consent::AdminConsent;
pub use connector_app::ConnectorApp;
pub use connector_certificate::ConnectorCertificate;
pub use connector_credentials_exclusive::ConnectorCredentialsExclusive;
pub use connector_federated_credential::ConnectorFederatedCredential;
pub use connector_permission_set::ConnectorPermissionSet;
pub use connector_secret::ConnectorSecret;

use crate::framework::{Computed, Diagnostic, Resource, Result};
use crate::graph::Graph;
use crate::provider::{Cx, Target};
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Reads show what was there before a recent write of ours, until the time for it ran out: the write was accepted and stands.
pub(crate) fn not_replicated(what: &str) -> Diagnostic {
    Diagnostic::warning("The directory is still replicating").help(format!(
        "Microsoft Graph accepted what was written to {what}, and some of its replicas do not show it yet. The state has what was written; the next refresh shows what became of it."
    ))
}

/// The tenant's present day, by the server's clock.
pub(crate) fn today(graph: &Graph) -> Date {
    graph.now().to_zoned(TimeZone::UTC).date()
}

/// What a resource of type `R` manages, for the run's memory.
pub(crate) fn target<R: Resource>(tenant: &str, id: &str) -> Target {
    Target::new(R::NAME, tenant, id)
}

/// Plans `tenant_id`: what is configured or was there stays; on a create it is the provider's tenant, unknown while that is known
/// only as a domain. A provider that has moved to another tenant is an error, never a replacement.
pub(crate) fn plan_tenant(planned: &mut Computed<String>, prior: Option<&Computed<String>>, cx: &Cx) -> Result<()> {
    if cx.is_configured("tenant_id") {
        return Ok(());
    }
    let configured = cx.configured_services().and_then(crate::provider::Services::tenant_guid);
    match (prior.and_then(Computed::known), configured) {
        (Some(prior), Some(configured)) if !prior.eq_ignore_ascii_case(&configured) => Err(Diagnostic::error("The object lives in another tenant")
            .at("tenant_id")
            .help(format!("It was made in tenant {prior}, and the provider is now configured for {configured}."))
            .help("Point the provider at the former tenant again, or set `tenant_id` on the resource to say that it is to be replaced in the other tenant.")
            .into()),
        (Some(prior), _) => {
            *planned = prior.clone().into();
            Ok(())
        }
        (None, Some(configured)) => {
            *planned = configured.into();
            Ok(())
        }
        (None, None) => Ok(()),
    }
}
