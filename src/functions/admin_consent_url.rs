//! `admin_consent_url`: the page on which an administrator consents.

use crate::framework::{Diagnostic, Diagnostics, Function, Path, Result, Step, guid};
use crate::provider::config;
use schemars::JsonSchema;
use serde::Deserialize;

/// The function.
pub struct AdminConsentUrl;

/// The page on which an administrator consents to everything that an application asks for.
///
/// For tickets and mails to whoever may consent. It needs neither a provider block nor rights in the tenant.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Arguments {
    /// Tenant in which consent is given: its id, or one of its verified domains.
    tenant_id: String,
    /// Client id of the application.
    #[schemars(transform = guid)]
    client_id: String,
    /// Cloud, by the names of the provider's `environment`. The public cloud where none is passed.
    environment: Vec<String>,
}

impl Function for AdminConsentUrl {
    const NAME: &'static str = "admin_consent_url";
    const VARIADIC: bool = true;
    type Arguments = Arguments;
    type Output = String;

    fn call(Arguments { tenant_id, client_id, environment }: Arguments) -> Result<String> {
        config::tenant_form(&tenant_id)?;
        let argument = |index| Path::attribute("environment").then(Step::Index(index));
        let endpoints = match environment.as_slice() {
            [] => config::endpoints_of("public"),
            [name] => config::endpoints_of(name),
            _ => return Err(Diagnostic::error("There is more than one environment").at(argument(1)).into()),
        };
        let at = |one: Diagnostic| one.at(argument(0));
        let endpoints = endpoints.map_err(|found| Diagnostics(found.0.into_iter().map(at).collect()))?;
        Ok(config::consent_url(&endpoints, &tenant_id, &client_id))
    }
}
