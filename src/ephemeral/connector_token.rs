//! `m365_connector_token`: signs in as the connector, so that a pipeline sees whether the vendor will get in, and with which roles.

use crate::catalog::LookupError;
use crate::framework::{
    Computed, Diagnostic, EphemeralResource, Lease, OpenTimeout, Result, Secret, Value, configurable, guid, is_guid,
};
use crate::graph::{
    Assertion, AuthError, Certificate, ClientAssertion, ClientCertificate, ClientSecret, GraphError, TokenSource,
};
use crate::provider::connector_sign_in::{PERHAPS_TOO_NEW, Refused, signed_in};
use crate::provider::{Cx, Services};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Signs in as a connector, with the credential that its vendor gets, and shows the permissions that are really in its token. Fails
/// where the sign-in is refused, so that a pipeline stops before the vendor does. Neither the credential nor the token is in plan or
/// state; the token is given to nobody. Needs Terraform 1.10 or OpenTofu 1.11.
///
/// A credential that was made a moment ago may be refused for a while, so a refusal that may mean this is tried again until the limit
/// `timeouts.open` is reached.
///
/// It is opened in every plan. OpenTofu opens it in apply only where a resource that changes depends on it (`depends_on`); Terraform
/// always does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorToken {
    /// Tenant (GUID) to sign in to. Default: the provider's.
    #[schemars(transform = configurable, transform = guid)]
    pub tenant_id: Computed<String>,
    /// How long opening may take.
    pub timeouts: Option<OpenTimeout>,
    /// Client id of the connector's application.
    #[schemars(transform = guid)]
    pub client_id: Value<String>,
    /// Its client secret: the value, not the id.
    pub client_secret: Option<Value<Secret>>,
    /// Its certificate with the private key: PEM text, or a PFX file in base64.
    pub client_certificate: Option<Value<Secret>>,
    /// Password of the PFX file.
    pub client_certificate_password: Option<Value<Secret>>,
    /// A token of an issuer that one of its federated credentials trusts.
    pub client_assertion: Option<Value<Secret>>,
    /// API whose token is asked for: a short name of the catalogue, or the API's client id. A token carries one API's roles.
    #[serde(default = "microsoft_graph")]
    pub api: Value<String>,
    /// When the token runs out, by the login service's clock, such as `2026-01-31T12:00:00Z`. Null where the token cannot be read.
    pub expires_on: Computed<String>,
    /// Application permissions of the API that are in the token, such as `AuditLog.Read.All`. Null where the token cannot be read.
    pub roles: Computed<BTreeSet<String>>,
}

fn microsoft_graph() -> Value<String> {
    "microsoft_graph".to_owned().into()
}

/// The one credential that is configured.
struct Credential {
    attribute: &'static str,
    source: Arc<dyn TokenSource>,
}

impl EphemeralResource for ConnectorToken {
    const NAME: &'static str = "m365_connector_token";
    type Services = Services;
    type Private = ();

    async fn open(&mut self, _: &mut Lease<()>, cx: &Cx) -> Result<()> {
        let api = self.app_id(cx)?;
        let credential = self.credential()?;
        let graph = cx.graph_as(
            credential.source.clone(),
            self.tenant_id.known().map(String::as_str),
            format!("{api}/.default"),
        )?;
        let claims = match signed_in(&graph, cx.deadline, cx).await {
            Ok(claims) => claims,
            Err(Refused { why: GraphError::Auth { why, .. }, tries }) => {
                return Err(self.refused(credential.attribute, &why, tries).into());
            }
            Err(Refused { why, .. }) => return Err(why.into()),
        };
        if claims.exp.is_none() {
            cx.warn(Diagnostic::warning("The connector's token cannot be read").help(
                "The sign-in succeeded, but the API's tokens are encrypted for it alone: `roles` and `expires_on` are null.",
            ));
        }
        // A token without roles has no such claim.
        self.roles = claims.exp.map(|_| claims.roles.into_iter().flatten().collect()).into();
        self.expires_on =
            claims.exp.and_then(|exp| jiff::Timestamp::from_second(exp).ok()).map(|end| end.to_string()).into();
        if self.tenant_id.known().is_none() {
            self.tenant_id = claims.tid.map(|tenant| tenant.to_lowercase()).into();
        }
        Ok(())
    }

    fn validate(&self, cx: &Cx) -> Result<()> {
        match self.given().as_slice() {
            [] => {
                return Err(Diagnostic::error("No credential is given")
                    .help("Set one of `client_secret`, `client_certificate` and `client_assertion` to what the vendor signs in with.")
                    .into());
            }
            [_] => {}
            several @ [_, second, ..] => {
                let names = several.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
                return Err(Diagnostic::error(format!("Only one of {names} can be given"))
                    .at(*second)
                    .help("Which of them signs in would be a guess. Use one ephemeral resource for each credential.")
                    .into());
            }
        }
        if self.client_certificate_password.is_some() && self.client_certificate.is_none() {
            return Err(Diagnostic::error("There is a certificate's password without a certificate")
                .at("client_certificate_password")
                .help("Set `client_certificate` too, or leave the password out.")
                .into());
        }
        if cx.catalog_is_complete() && self.api.known().is_some() {
            self.app_id(cx)?;
        }
        Ok(())
    }
}

impl ConnectorToken {
    /// Client id of the API. Entra takes it for the name of a resource too, in every cloud; Azure Databricks' documentation of service
    /// principal tokens signs in like this.
    fn app_id(&self, cx: &Cx) -> Result<String> {
        let name = self.api.get()?;
        match cx.catalog().api(name) {
            Some(api) => Ok(api.app_id.clone()),
            None if is_guid(name) => Ok(name.to_lowercase()),
            None => Err(Diagnostic::error(format!("There is no API \"{name}\""))
                .at("api")
                .help(LookupError::no_such_api(cx.catalog(), name).to_string())
                .help("An API outside the catalogue is named by its client id.")
                .into()),
        }
    }

    /// Names of the credentials that are configured, known or not.
    fn given(&self) -> Vec<&'static str> {
        [
            ("client_secret", &self.client_secret),
            ("client_certificate", &self.client_certificate),
            ("client_assertion", &self.client_assertion),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.is_some().then_some(name))
        .collect()
    }

    fn credential(&self) -> Result<Credential> {
        let client_id = self.client_id.get()?.to_lowercase();
        if let Some(secret) = &self.client_secret {
            let source = ClientSecret::new(client_id, secret.get()?.clone().into_inner());
            return Ok(Credential { attribute: "client_secret", source: Arc::new(source) });
        }
        if let Some(assertion) = &self.client_assertion {
            let assertion = Assertion::Given(assertion.get()?.clone().into_inner());
            let source = ClientAssertion::new(client_id, assertion);
            return Ok(Credential { attribute: "client_assertion", source: Arc::new(source) });
        }
        let Some(certificate) = &self.client_certificate else {
            return Err(Diagnostic::bug("a connector's credential was not checked").into());
        };
        let password =
            self.client_certificate_password.as_ref().map(Value::get).transpose()?.map_or("", Secret::expose);
        let certificate = Certificate::from_any(certificate.get()?.expose().as_bytes(), password).map_err(|why| {
            Diagnostic::error("The connector's certificate cannot be used")
                .at("client_certificate")
                .help(why.to_string())
        })?;
        let source = ClientCertificate::new(client_id, certificate);
        Ok(Credential { attribute: "client_certificate", source: Arc::new(source) })
    }

    fn refused(&self, credential: &'static str, why: &AuthError, tries: u32) -> Diagnostic {
        let name = self.client_id.known().map_or("", String::as_str);
        let found = Diagnostic::error(format!("The connector {name} cannot sign in"));
        let AuthError::Rejected { code, text } = why else { return found.help(why.to_string()) };
        if *code == 500_011 {
            let api = self.api.known().map_or("", String::as_str);
            return found
                .at("api")
                .help(format!("Entra refused the sign-in: {text}"))
                .help(format!("The tenant has no service principal of the API {api}: its product brings it."));
        }
        let attribute = match code {
            700_016 | 7_000_229 => "client_id",
            90_002 => "tenant_id",
            _ => credential,
        };
        let found = found.at(attribute).help(why.to_string());
        if !PERHAPS_TOO_NEW.contains(code) {
            return found;
        }
        found.help(format!(
            "It was tried {} within the limit `timeouts.open`. What was made a moment ago may take some minutes until it is known everywhere; \
             otherwise it has been removed, or was never this application's.",
            if tries == 1 { "once".to_owned() } else { format!("{tries} times") }
        ))
    }
}
