//! The provider block: what it may say, where the environment fills gaps, and what becomes of it.

use super::credentials::{Given, Method};
use super::environment::{Lookup, from_environment, variable};
use super::guardrails::{self, Pattern};
use super::lifetime::lifetime;
use super::preflight::model::PreflightMode;
use crate::catalog::Risk;
use crate::framework::{Diagnostic, Diagnostics, Path, Result, Secret, Step, Value, Wait, is_guid};
use crate::graph::Endpoints;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Connects security vendors to Microsoft 365: declares the Entra app registration that a vendor documents, its API
/// permissions and the administrator's consent, shows drift in both directions and repairs it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProviderConfig {
    /// Tenant to work in, as a GUID or a verified domain. Environment: `M365_TENANT_ID`, `ARM_TENANT_ID`, `AZURE_TENANT_ID`.
    pub tenant_id: Option<Value<String>>,
    /// Client id of the provider's own application. Environment: `M365_CLIENT_ID`, `ARM_CLIENT_ID`, `AZURE_CLIENT_ID`.
    pub client_id: Option<Value<String>>,
    /// Client secret of the provider's own application. Environment: `M365_CLIENT_SECRET`, `ARM_CLIENT_SECRET`,
    /// `AZURE_CLIENT_SECRET`.
    pub client_secret: Option<Value<Secret>>,
    /// File with the client secret's value. Environment: `M365_CLIENT_SECRET_FILE_PATH`, `ARM_CLIENT_SECRET_FILE_PATH`,
    /// `AZURE_CLIENT_SECRET_FILE_PATH`.
    pub client_secret_file_path: Option<Value<String>>,
    /// Certificate of the provider's own application with its private key (RSA): PEM text, or a PFX file in base64. Environment:
    /// `M365_CLIENT_CERTIFICATE`, `ARM_CLIENT_CERTIFICATE`, `AZURE_CLIENT_CERTIFICATE`.
    pub client_certificate: Option<Value<Secret>>,
    /// File with that certificate, PEM or PFX. Environment: `M365_CLIENT_CERTIFICATE_PATH`, `ARM_CLIENT_CERTIFICATE_PATH`,
    /// `AZURE_CLIENT_CERTIFICATE_PATH`.
    pub client_certificate_path: Option<Value<String>>,
    /// Password of the PFX file. Environment: `M365_CLIENT_CERTIFICATE_PASSWORD`, `ARM_CLIENT_CERTIFICATE_PASSWORD`,
    /// `AZURE_CLIENT_CERTIFICATE_PASSWORD`.
    pub client_certificate_password: Option<Value<Secret>>,
    /// Whether to sign in with an OIDC token that the application trusts (workload identity federation), as GitHub Actions, GitLab, Azure
    /// DevOps and Kubernetes give. Environment: `M365_USE_OIDC`, `ARM_USE_OIDC`.
    pub use_oidc: Option<Value<bool>>,
    /// The OIDC token itself. Environment: `M365_OIDC_TOKEN`, `ARM_OIDC_TOKEN`.
    pub oidc_token: Option<Value<Secret>>,
    /// File with the OIDC token, read anew for every sign-in. Environment: `M365_OIDC_TOKEN_FILE_PATH`, `ARM_OIDC_TOKEN_FILE_PATH`, and
    /// with `use_oidc` Kubernetes' own `AZURE_FEDERATED_TOKEN_FILE`.
    pub oidc_token_file_path: Option<Value<String>>,
    /// URL to ask for an OIDC token. Environment: `M365_OIDC_REQUEST_URL`, `ARM_OIDC_REQUEST_URL`, and with `use_oidc` the platform's own
    /// `ACTIONS_ID_TOKEN_REQUEST_URL` (GitHub) or `SYSTEM_OIDCREQUESTURI` (Azure DevOps).
    pub oidc_request_url: Option<Value<String>>,
    /// Token to show when asking for an OIDC token. Environment: `M365_OIDC_REQUEST_TOKEN`, `ARM_OIDC_REQUEST_TOKEN`, and with `use_oidc`
    /// the platform's own `ACTIONS_ID_TOKEN_REQUEST_TOKEN` (GitHub) or `SYSTEM_ACCESSTOKEN` (Azure DevOps).
    pub oidc_request_token: Option<Value<Secret>>,
    /// Id of the Azure DevOps service connection that vouches for the pipeline. Environment:
    /// `M365_ADO_PIPELINE_SERVICE_CONNECTION_ID`, `ARM_ADO_PIPELINE_SERVICE_CONNECTION_ID`.
    pub ado_pipeline_service_connection_id: Option<Value<String>>,
    /// Whether to sign in as the managed identity of the Azure resource that the provider runs on. `client_id` names a user-assigned
    /// identity; without it, it is the system-assigned one. Environment: `M365_USE_MSI`, `ARM_USE_MSI`.
    pub use_msi: Option<Value<bool>>,
    /// Whether to use the login of the Azure CLI (`az login`). Environment: `M365_USE_CLI`, `ARM_USE_CLI`.
    pub use_cli: Option<Value<bool>>,
    /// Cloud to work in: `public` (default), `usgovernment`, `usgovernmentdod`, `china`, or `sandbox` for the simulated tenant of
    /// the `sandbox` command, in any case; the names of the `azuread` provider (`global`, `usgovernmentl4`, `usgovernmentl5`, `dod`) are
    /// taken too. Environment: `M365_ENVIRONMENT`, `ARM_ENVIRONMENT`.
    pub environment: Option<Value<String>>,
    /// Base URLs to use instead of the cloud's own.
    pub endpoints: Option<Value<EndpointsConfig>>,
    /// File with further trusted root certificates (PEM), for proxies and private clouds. `SSL_CERT_FILE` is honoured too. Environment:
    /// `M365_CA_CERTIFICATE_PATH`.
    pub ca_certificate_path: Option<Value<String>>,
    /// Folders with further connector profiles (`*.toml`), relative to the working directory. They may not redefine a built-in one.
    pub catalog_paths: Option<Value<Vec<String>>>,
    /// Limits for everything that a plan asks for. A plan that asks for more is an error, before anything is touched.
    pub guardrails: Option<Value<Guardrails>>,
    /// Whether a plan compares what it is going to do with what the run's own token allows: `auto` (default; an error when the identity
    /// may write, but not all that is needed, and a warning when it may write nothing), `error`, `warn` or `off`. Environment:
    /// `M365_PREFLIGHT`.
    pub preflight: Option<Value<PreflightMode>>,
    /// How often a request is repeated that the service throttled or could not serve. Default 10.
    pub max_retries: Option<Value<u32>>,
    /// How long one request may take, such as `"30s"` (default).
    pub request_timeout: Option<Value<Wait>>,
}

/// Base URLs of a cloud, without version path. Plain `http` is allowed to loopback addresses only.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointsConfig {
    /// Base URL of the login service, such as `https://login.microsoftonline.com`. Environment: `M365_LOGIN_URL`.
    pub login: Option<String>,
    /// Base URL of Microsoft Graph, such as `https://graph.microsoft.com`. Tokens are asked for `<graph>/.default`.
    /// Environment: `M365_GRAPH_URL`.
    pub graph: Option<String>,
}

/// Limits for everything that a plan asks for. Patterns are permission keys in which `*` stands for any text, such as
/// `*/application/*.ReadWrite.All`; they are compared without regard to case with names and ids alike.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Guardrails {
    /// What nobody may ask for, such as `["microsoft_graph/application/Mail.*"]`. Wins over `allow_permissions`.
    pub deny_permissions: Option<Vec<String>>,
    /// All that may be asked for; no limit where not given. Directory roles are judged only where one of the patterns begins with
    /// `directory/`.
    pub allow_permissions: Option<Vec<String>>,
    /// Highest class of risk that may be asked for: `low`, `medium`, `high` or `critical`.
    pub max_risk: Option<Risk>,
    /// Lowest class of risk that needs an entry in `acknowledge`. Such an entry lifts none of the other limits.
    pub require_acknowledgement: Option<Risk>,
    /// Longest `valid_for` of an `m365_connector_secret`, and longest validity of an `m365_connector_certificate`, in ISO 8601 with days or weeks, such as `P180D` or `P26W`.
    pub max_secret_lifetime: Option<String>,
}

/// A cloud that the provider knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// The worldwide cloud. The catalogue's ids are this one's.
    Public,
    /// US Government L4.
    UsGovernment,
    /// US Government L5.
    UsGovernmentDod,
    /// 21Vianet.
    China,
    /// The simulated tenant.
    Sandbox,
}

const ENVIRONMENTS: &[(&str, Environment)] = &[
    ("public", Environment::Public),
    ("usgovernment", Environment::UsGovernment),
    ("usgovernmentdod", Environment::UsGovernmentDod),
    ("china", Environment::China),
    ("sandbox", Environment::Sandbox),
];

/// What the `azuread` provider calls them: pipelines share `ARM_ENVIRONMENT`. Source: that provider's documentation of `environment`.
const ALIASES: &[(&str, Environment)] = &[
    ("global", Environment::Public),
    ("usgovernmentl4", Environment::UsGovernment),
    ("usgovernmentl5", Environment::UsGovernmentDod),
    ("dod", Environment::UsGovernmentDod),
];

/// Where the sandbox listens unless `M365_SANDBOX_URL` says otherwise.
const SANDBOX_URL: &str = "http://127.0.0.1:8365";
/// The sandbox's fixed development identity. It opens nothing but a simulated tenant on this machine.
const SANDBOX_TENANT: &str = "5a4d0000-0000-4000-8000-00000000a365";
const SANDBOX_CLIENT: &str = "5a4d0000-0000-4000-8000-0000000c11e7";
const SANDBOX_SECRET: &str = "sandbox-only-not-a-real-secret";

/// The provider block and the environment, resolved. `None`: not known yet, or given nowhere; `unknown` tells which.
#[derive(Debug, Clone)]
pub struct Settings {
    /// GUID or domain.
    pub tenant: Option<String>,
    /// Client id.
    pub client_id: Option<String>,
    /// How to sign in.
    pub method: Option<Method>,
    /// Where to sign in and where Graph is.
    pub endpoints: Endpoints,
    /// Whether the catalogue's ids hold.
    pub environment: Environment,
    /// Further trust root.
    pub ca_certificate: Option<PathBuf>,
    /// Folders with further profiles.
    pub catalog_paths: Vec<PathBuf>,
    /// Longest lifetime of a secret, in ISO 8601.
    pub max_secret_lifetime: Option<String>,
    /// What a plan may ask for.
    pub guardrails: guardrails::Guardrails,
    /// What becomes of a right that the run lacks.
    pub preflight: PreflightMode,
    /// Retries of one request.
    pub max_retries: u32,
    /// Limit of one request.
    pub request_timeout: Duration,
    /// Attributes whose values are known only after apply.
    pub unknown: Vec<&'static str>,
}

impl ProviderConfig {
    /// What can be said of the block alone, with its attributes' paths.
    pub fn check(&self) -> Result<()> {
        let mut found = Diagnostics::default();
        if let Some(Value::Known(name)) = &self.environment {
            found.take(environment(name));
        }
        if let Some(Value::Known(endpoints)) = &self.endpoints {
            found.take(endpoints.check());
        }
        if let Some(Value::Known(tenant)) = &self.tenant_id {
            found.take(tenant_form(tenant));
        }
        if let Some(Value::Known(client)) = &self.client_id {
            found.take(client_form(client));
        }
        found.take(self.credentials().check());
        if let Some(Value::Known(limits)) = &self.guardrails {
            found.take(limits.ready());
        }
        found.into_result()
    }

    fn credentials(&self) -> Given {
        Given {
            client_secret: self.client_secret.clone(),
            client_secret_file_path: self.client_secret_file_path.clone(),
            client_certificate: self.client_certificate.clone(),
            client_certificate_path: self.client_certificate_path.clone(),
            client_certificate_password: self.client_certificate_password.clone(),
            use_oidc: self.use_oidc,
            oidc_token: self.oidc_token.clone(),
            oidc_token_file_path: self.oidc_token_file_path.clone(),
            oidc_request_url: self.oidc_request_url.clone(),
            oidc_request_token: self.oidc_request_token.clone(),
            ado_pipeline_service_connection_id: self.ado_pipeline_service_connection_id.clone(),
            use_msi: self.use_msi,
            use_cli: self.use_cli,
        }
    }

    /// The block with the environment's values where it says nothing.
    pub fn resolve(self, lookup: Lookup<'_>) -> Result<Settings> {
        self.check()?;
        let credentials = self.credentials();
        let mut unknown = credentials.unknown();
        let method = if unknown.is_empty() { credentials.method(lookup)? } else { None };
        // What comes from the environment has passed no check yet.
        let mut found = Diagnostics::default();
        let mut text = |value: Option<Value<String>>, name: &'static str, variables: &[&str], form: Form| match value {
            Some(Value::Known(value)) => Some(value),
            Some(Value::Unknown) => {
                unknown.push(name);
                None
            }
            None => {
                let (variable, value) = variable(lookup, variables)?;
                let told = |one: Diagnostic| one.help(format!("It comes from the variable `{variable}`."));
                if let Err(wrong) = form(&value) {
                    found.0.extend(wrong.0.into_iter().map(told));
                }
                Some(value)
            }
        };
        let named = text(self.environment, "environment", &["M365_ENVIRONMENT", "ARM_ENVIRONMENT"], |name| {
            environment(name).map(|_| ())
        });
        let tenant =
            text(self.tenant_id, "tenant_id", &["M365_TENANT_ID", "ARM_TENANT_ID", "AZURE_TENANT_ID"], tenant_form);
        let client_id =
            text(self.client_id, "client_id", &["M365_CLIENT_ID", "ARM_CLIENT_ID", "AZURE_CLIENT_ID"], client_form);
        let ca_certificate =
            text(self.ca_certificate_path, "ca_certificate_path", &["M365_CA_CERTIFICATE_PATH"], |_| Ok(()));
        found.into_result()?;
        let environment = named.as_deref().map_or(Ok(Environment::Public), environment)?;
        let sandbox = environment == Environment::Sandbox;
        let cloud = match (environment, from_environment(lookup, &["M365_SANDBOX_URL"])) {
            (Environment::Sandbox, Some(url)) => sandbox_endpoints(&url),
            _ => endpoints(environment),
        };
        let endpoints = match self.endpoints {
            Some(Value::Unknown) => {
                unknown.push("endpoints");
                cloud
            }
            Some(Value::Known(endpoints)) => endpoints.or_environment(lookup)?.over(cloud),
            None => EndpointsConfig::default().or_environment(lookup)?.over(cloud),
        };
        let catalog_paths = match self.catalog_paths {
            Some(Value::Known(paths)) => paths.into_iter().map(PathBuf::from).collect(),
            Some(Value::Unknown) => {
                unknown.push("catalog_paths");
                Vec::new()
            }
            None => Vec::new(),
        };
        let guardrails = match self.guardrails {
            Some(Value::Known(guardrails)) => guardrails,
            Some(Value::Unknown) => {
                unknown.push("guardrails");
                Guardrails::default()
            }
            None => Guardrails::default(),
        };
        let preflight = match self.preflight {
            Some(Value::Known(mode)) => mode,
            Some(Value::Unknown) => {
                unknown.push("preflight");
                PreflightMode::default()
            }
            None => from_environment(lookup, &["M365_PREFLIGHT"])
                .map_or(Ok(PreflightMode::default()), |text| preflight(&text))?,
        };
        let request_timeout = match self.request_timeout {
            Some(Value::Known(wait)) => wait.duration(),
            _ => Duration::from_secs(30),
        };
        let max_retries = match self.max_retries {
            Some(Value::Known(count)) => count,
            _ => 10,
        };
        let method = method.or_else(|| sandbox.then(|| Method::Secret(Secret::from(SANDBOX_SECRET.to_owned()))));
        // Without a client id a managed identity is the system-assigned one.
        let is_managed = method.as_ref().is_some_and(Method::is_managed_identity);
        let or_sandbox = |value: Option<String>, fixed: &str| value.or_else(|| sandbox.then(|| fixed.to_owned()));
        Ok(Settings {
            tenant: or_sandbox(tenant, SANDBOX_TENANT),
            client_id: if is_managed { client_id } else { or_sandbox(client_id, SANDBOX_CLIENT) },
            method,
            endpoints,
            environment,
            ca_certificate: ca_certificate.map(PathBuf::from),
            catalog_paths,
            guardrails: guardrails.ready()?,
            max_secret_lifetime: guardrails.max_secret_lifetime,
            preflight,
            max_retries,
            request_timeout,
            unknown,
        })
    }
}

impl Guardrails {
    /// The limits with their patterns read; all faults at once.
    fn ready(&self) -> Result<guardrails::Guardrails> {
        let mut found = Diagnostics::default();
        let at = |name: &str| Path::attribute("guardrails").then(Step::Attribute(name.to_owned()));
        let mut patterns = |name: &str, texts: &[String]| {
            let one = |text: &String| match Pattern::new(text) {
                Ok(pattern) => Some(pattern),
                Err(why) => {
                    found.push(Diagnostic::error(format!("`guardrails.{name}` has a pattern that matches nothing")).at(at(name)).help(
                        format!("\"{text}\" stands for no permission: {why}. A pattern is a permission key in which `*` stands for any text, such as `microsoft_graph/application/Mail.*` or `*.ReadWrite.All`."),
                    ));
                    None
                }
            };
            texts.iter().filter_map(one).collect::<Vec<_>>()
        };
        let ready = guardrails::Guardrails {
            deny: patterns("deny_permissions", self.deny_permissions.as_deref().unwrap_or_default()),
            allow: self.allow_permissions.as_ref().map(|texts| patterns("allow_permissions", texts)),
            max_risk: self.max_risk,
            require_acknowledgement: self.require_acknowledgement,
        };
        if let Some(text) = &self.max_secret_lifetime {
            found.take(lifetime(text, at("max_secret_lifetime")));
        }
        found.into_result().map(|()| ready)
    }
}

/// The mode of this name, as the environment gives it.
fn preflight(name: &str) -> Result<PreflightMode> {
    serde_json::from_value(serde_json::Value::String(name.to_lowercase())).map_err(|_| {
        Diagnostic::error(format!("There is no preflight mode \"{name}\""))
            .at("preflight")
            .help("`M365_PREFLIGHT` is `auto`, `error`, `warn` or `off`.")
            .into()
    })
}

impl Environment {
    /// Base URL of Entra's portal. Source: Microsoft's list of Entra's national clouds.
    pub fn portal(self) -> Option<&'static str> {
        match self {
            Self::Public => Some("https://entra.microsoft.com"),
            Self::UsGovernment | Self::UsGovernmentDod => Some("https://entra.microsoft.us"),
            Self::China => Some("https://entra.microsoftonline.cn"),
            Self::Sandbox => None,
        }
    }
}

impl EndpointsConfig {
    /// Fails on a URL that is none, or that would send credentials in the clear.
    fn check(&self) -> Result<()> {
        let mut found = Diagnostics::default();
        for (name, url) in [("login", &self.login), ("graph", &self.graph)] {
            let Some(url) = url else { continue };
            let alone = Endpoints { login: url.clone(), graph: url.clone() };
            if let Err(why) = alone.check() {
                let at = Path::attribute("endpoints").then(Step::Attribute(name.to_owned()));
                found.push(
                    Diagnostic::error(format!("`endpoints.{name}` is no usable URL")).at(at).help(why.to_string()),
                );
            }
        }
        found.into_result()
    }

    /// With the environment's URLs where the block gives none; they have passed no check yet.
    fn or_environment(self, lookup: Lookup<'_>) -> Result<Self> {
        let mut found = Diagnostics::default();
        let mut told = |variable: &str, alone: Self| {
            let wrong = alone.check().err().into_iter().flat_map(|wrong| wrong.0);
            found.0.extend(wrong.map(|one| one.help(format!("It comes from the variable `{variable}`."))));
        };
        let login = self.login.or_else(|| {
            let (variable, url) = variable(lookup, &["M365_LOGIN_URL"])?;
            told(variable, Self { login: Some(url.clone()), graph: None });
            Some(url)
        });
        let graph = self.graph.or_else(|| {
            let (variable, url) = variable(lookup, &["M365_GRAPH_URL"])?;
            told(variable, Self { login: None, graph: Some(url.clone()) });
            Some(url)
        });
        found.into_result().map(|()| Self { login, graph })
    }

    /// These URLs where given, else the cloud's.
    fn over(&self, cloud: Endpoints) -> Endpoints {
        let trimmed = |url: &Option<String>, cloud: String| {
            url.as_ref().map_or(cloud, |url| url.trim_end_matches('/').to_owned())
        };
        Endpoints { login: trimmed(&self.login, cloud.login), graph: trimmed(&self.graph, cloud.graph) }
    }
}

fn endpoints(environment: Environment) -> Endpoints {
    match environment {
        Environment::Public => Endpoints::public(),
        Environment::UsGovernment => Endpoints::usgovernment(),
        Environment::UsGovernmentDod => Endpoints::usgovernmentdod(),
        Environment::China => Endpoints::china(),
        Environment::Sandbox => sandbox_endpoints(SANDBOX_URL),
    }
}

/// Where the cloud of this name is.
pub fn endpoints_of(name: &str) -> Result<Endpoints> {
    environment(name).map(endpoints)
}

/// Page where an administrator consents. Source: Entra's admin consent endpoint, version 1, which asks for everything in
/// `requiredResourceAccess`.
pub fn consent_url(endpoints: &Endpoints, tenant: &str, client_id: &str) -> String {
    format!("{}/{tenant}/adminconsent?client_id={client_id}", endpoints.login)
}

fn sandbox_endpoints(url: &str) -> Endpoints {
    let url = url.trim_end_matches('/');
    Endpoints { login: format!("{url}/login"), graph: format!("{url}/graph") }
}

fn environment(name: &str) -> Result<Environment> {
    let mut all = ENVIRONMENTS.iter().chain(ALIASES);
    let known = all.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, environment)| *environment);
    known.ok_or_else(|| {
        let all = ENVIRONMENTS.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        Diagnostic::error(format!("There is no environment \"{name}\""))
            .at("environment")
            .help(format!("It is one of {all}."))
            .into()
    })
}

/// Whether a text has the form that its attribute asks for.
type Form = fn(&str) -> Result<()>;

fn client_form(text: &str) -> Result<()> {
    if is_guid(text) {
        return Ok(());
    }
    Err(Diagnostic::error("`client_id` is not a GUID")
        .at("client_id")
        .help(format!("\"{text}\" should look like `11111111-2222-3333-4444-555555555555`."))
        .into())
}

/// Whether a text can name a tenant.
pub fn tenant_form(tenant: &str) -> Result<()> {
    let domain = tenant.contains('.') && tenant.chars().all(|one| one.is_ascii_alphanumeric() || "-.".contains(one));
    if is_guid(tenant) || domain {
        return Ok(());
    }
    Err(Diagnostic::error("`tenant_id` is neither a GUID nor a domain")
        .at("tenant_id")
        .help(format!(
            "\"{tenant}\" should be the tenant's id, or one of its verified domains such as `contoso.onmicrosoft.com`."
        ))
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(pairs: &[(&str, &str)]) -> Result<Settings> {
        let all: std::collections::HashMap<_, _> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ProviderConfig::default().resolve(&|name| all.get(name).cloned())
    }

    #[test]
    fn clouds_are_known_by_the_names_of_both_providers_in_any_case() {
        for (name, cloud) in [
            ("Public", Environment::Public),
            ("GLOBAL", Environment::Public),
            ("usgovernment", Environment::UsGovernment),
            ("USGovernmentL4", Environment::UsGovernment),
            ("usgovernmentl5", Environment::UsGovernmentDod),
            ("dod", Environment::UsGovernmentDod),
            ("usGovernmentDoD", Environment::UsGovernmentDod),
            ("china", Environment::China),
        ] {
            assert_eq!(resolved(&[("ARM_ENVIRONMENT", name)]).unwrap().environment, cloud, "{name}");
        }
    }

    #[test]
    fn what_the_environment_says_has_to_have_the_form_that_the_attributes_have() {
        let found = resolved(&[
            ("M365_ENVIRONMENT", "publik"),
            ("ARM_TENANT_ID", "common & calc.exe"),
            ("AZURE_CLIENT_ID", "x/../y?z"),
        ]);
        let found = found.unwrap_err().0;
        let named: Vec<_> = found.iter().map(|one| one.summary.as_str()).collect();
        assert_eq!(
            named,
            [
                "There is no environment \"publik\"",
                "`tenant_id` is neither a GUID nor a domain",
                "`client_id` is not a GUID"
            ]
        );
        for (one, variable) in found.iter().zip(["M365_ENVIRONMENT", "ARM_TENANT_ID", "AZURE_CLIENT_ID"]) {
            assert!(one.detail.contains(&format!("`{variable}`")), "{one:?}");
        }
        let good = [("M365_TENANT_ID", "contoso.onmicrosoft.com"), ("M365_CLIENT_ID", SANDBOX_CLIENT)];
        assert!(resolved(&good).is_ok());
    }

    #[test]
    fn the_environment_says_where_the_cloud_is_and_whom_to_trust() {
        let settings = resolved(&[
            ("M365_LOGIN_URL", "https://login.contoso.example/"),
            ("M365_GRAPH_URL", "https://graph.contoso.example"),
            ("M365_CA_CERTIFICATE_PATH", "/etc/contoso.pem"),
        ])
        .unwrap();
        let Endpoints { login, graph } = settings.endpoints;
        assert_eq!(
            (login.as_str(), graph.as_str()),
            ("https://login.contoso.example", "https://graph.contoso.example")
        );
        assert_eq!(settings.ca_certificate, Some(PathBuf::from("/etc/contoso.pem")));

        let found = resolved(&[("M365_LOGIN_URL", "http://login.contoso.example"), ("M365_GRAPH_URL", "graph")]);
        for (one, variable) in found.unwrap_err().0.iter().zip(["M365_LOGIN_URL", "M365_GRAPH_URL"]) {
            assert!(one.detail.contains(&format!("`{variable}`")), "{one:?}");
        }
    }

    #[test]
    fn a_url_of_the_block_wins_over_the_environment_s_and_the_other_one_is_still_heard() {
        let block = EndpointsConfig { login: Some("https://block.example".to_owned()), graph: None };
        let config = ProviderConfig { endpoints: Some(Value::Known(block)), ..ProviderConfig::default() };
        let settings = config.resolve(&|name| {
            Some(format!("https://{}.example", name.to_lowercase()))
                .filter(|_| name.ends_with("_URL") && name.starts_with("M365_") && !name.contains("OIDC"))
        });
        let Endpoints { login, graph } = settings.unwrap().endpoints;
        assert_eq!((login.as_str(), graph.as_str()), ("https://block.example", "https://m365_graph_url.example"));
    }
}
