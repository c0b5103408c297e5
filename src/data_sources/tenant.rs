//! `m365_tenant`: the tenant itself.

use crate::framework::{Computed, DataSource, ReadTimeout, Result, configurable, guid};
use crate::provider::{Cx, Services};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The tenant's name, domains and country.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tenant {
    /// Tenant (GUID). The provider's own where not given.
    #[schemars(transform = configurable, transform = guid)]
    pub tenant_id: Computed<String>,
    /// How long reading may take.
    pub timeouts: Option<ReadTimeout>,
    /// Name of the organization.
    pub display_name: Computed<String>,
    /// Verified domains.
    pub domains: Computed<BTreeSet<String>>,
    /// Domain that new users get.
    pub default_domain: Computed<String>,
    /// The first domain, which ends with `.onmicrosoft.com`.
    pub initial_domain: Computed<String>,
    /// Country, two letters.
    pub country_letter_code: Computed<String>,
}

impl DataSource for Tenant {
    const NAME: &'static str = "m365_tenant";
    type Services = Services;

    async fn read(&mut self, cx: &Cx) -> Result<()> {
        let found = cx.graph(self.tenant_id.known().map(String::as_str))?.organization().await?;
        let first = |wanted: fn(&crate::graph::VerifiedDomain) -> bool| {
            found.verified_domains.iter().find(|domain| wanted(domain)).map(|domain| domain.name.clone())
        };
        self.default_domain = first(|domain| domain.is_default).into();
        self.initial_domain = first(|domain| domain.is_initial).into();
        self.domains = found.verified_domains.iter().map(|domain| domain.name.clone()).collect::<BTreeSet<_>>().into();
        // What is configured is kept as it is written.
        if self.tenant_id.known().is_none() {
            self.tenant_id = found.id.to_lowercase().into();
        }
        self.display_name = found.display_name.into();
        self.country_letter_code = found.country_letter_code.into();
        Ok(())
    }
}
