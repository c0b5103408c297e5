//! Provider configuration, and what a call may use.

pub mod apis;
pub mod claim;
pub mod config;
pub(crate) mod connector_sign_in;
pub mod credential_key;
pub mod credentials;
mod environment;
mod errors;
pub mod guardrails;
pub mod lifetime;
pub(crate) mod missing;
pub(crate) mod permissions;
pub mod policies;
pub mod preflight;
pub mod risk;
pub mod run;
mod services;
mod tenants;

pub use claim::Claim;
pub use config::ProviderConfig;
pub use credential_key::CredentialKey;
pub use run::{Planned, Run, Target};
pub use services::{Cx, Services, Tenant};
pub use tenants::resolve_tenant;

use crate::framework::{Provider, Result};

/// The `m365` provider.
pub struct M365;

impl Provider for M365 {
    type Config = ProviderConfig;
    type Services = Services;

    fn validate(&self, config: &ProviderConfig) -> Result<()> {
        config.check()
    }

    fn configure(&self, config: ProviderConfig) -> Result<Services> {
        Services::new(config.resolve(&|name| std::env::var(name).ok())?)
    }
}
