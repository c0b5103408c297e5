//! How the provider signs in: what the provider block says, else what the environment says, never a guess. One way only.

use super::environment::{Lookup, from_environment};
use crate::framework::{Diagnostic, Result, Secret, Value};
use crate::graph::{
    Assertion, AzureCli, Certificate, ClientAssertion, ClientCertificate, ClientSecret, IMDS, IdentityService,
    ManagedIdentity, TokenSource,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The attributes of the provider block that are about signing in.
#[derive(Debug, Clone, Default)]
pub(super) struct Given {
    pub client_secret: Option<Value<Secret>>,
    pub client_secret_file_path: Option<Value<String>>,
    pub client_certificate: Option<Value<Secret>>,
    pub client_certificate_path: Option<Value<String>>,
    pub client_certificate_password: Option<Value<Secret>>,
    pub use_oidc: Option<Value<bool>>,
    pub oidc_token: Option<Value<Secret>>,
    pub oidc_token_file_path: Option<Value<String>>,
    pub oidc_request_url: Option<Value<String>>,
    pub oidc_request_token: Option<Value<Secret>>,
    pub ado_pipeline_service_connection_id: Option<Value<String>>,
    pub use_msi: Option<Value<bool>>,
    pub use_cli: Option<Value<bool>>,
}

/// A way to sign in, with all that it needs but the client id.
#[derive(Debug, Clone, PartialEq)]
pub enum Method {
    /// A client secret.
    Secret(Secret),
    /// A file with a client secret.
    SecretFile(PathBuf),
    /// A certificate with its key, PEM or PFX in base64, and its password.
    Certificate(Secret, Option<Secret>),
    /// A file with that.
    CertificateFile(PathBuf, Option<Secret>),
    /// An OIDC token.
    OidcToken(Secret),
    /// A file with one.
    OidcTokenFile(PathBuf),
    /// GitHub Actions' endpoint.
    GitHub {
        /// URL.
        url: String,
        /// What it wants to see.
        token: Secret,
    },
    /// Azure DevOps' endpoint.
    AzureDevOps {
        /// URL.
        url: String,
        /// What it wants to see.
        token: Secret,
        /// Id of the service connection.
        connection: String,
    },
    /// Managed identity by the metadata service at this base URL.
    Imds(String),
    /// Managed identity by App Service's endpoint and header.
    AppService(String, Secret),
    /// The Azure CLI's login.
    AzureCli,
}

/// Kinds of methods, in the order in which the environment chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Oidc,
    ManagedIdentity,
    AzureCli,
    Certificate,
    Secret,
}

/// The three prefixes of variables that all of Azure's tools share.
fn shared(lookup: Lookup<'_>, name: &str) -> Option<String> {
    from_environment(lookup, &[&format!("M365_{name}"), &format!("ARM_{name}"), &format!("AZURE_{name}")])
}

/// The two prefixes of what only providers know.
fn ours(lookup: Lookup<'_>, name: &str) -> Option<String> {
    from_environment(lookup, &[&format!("M365_{name}"), &format!("ARM_{name}")])
}

fn platform(lookup: Lookup<'_>, name: &str) -> Option<String> {
    from_environment(lookup, &[name])
}

/// An attribute's text. The empty one is none: what an unset variable of a module passes on.
fn text(value: Option<&Value<String>>) -> Option<&str> {
    value.and_then(Value::known).map(String::as_str).filter(|text| !text.is_empty())
}

fn secret(value: Option<&Value<Secret>>) -> Option<Secret> {
    value.and_then(Value::known).filter(|secret| !secret.expose().is_empty()).cloned()
}

fn flag(value: Option<&Value<bool>>) -> Option<bool> {
    value.and_then(Value::known).copied()
}

/// A switch: the attribute, else the environment, else off.
fn switched(value: Option<&Value<bool>>, lookup: Lookup<'_>, name: &str) -> Result<bool> {
    if let Some(explicit) = flag(value) {
        return Ok(explicit);
    }
    match ours(lookup, name).map(|text| text.to_lowercase()).as_deref() {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(_) => {
            Err(Diagnostic::error(format!("The variable `M365_{name}` (or `ARM_{name}`) is neither true nor false"))
                .help("Set it to `true` or `false`, or unset it.")
                .into())
        }
    }
}

impl Given {
    /// Attributes that say something, each with the method that it is about and, within that, the source of the credential.
    fn explicit(&self) -> Vec<(&'static str, Kind, u8)> {
        let off = flag(self.use_oidc.as_ref()) == Some(false);
        let on = |value: &Option<Value<bool>>| flag(value.as_ref()) == Some(true);
        let has_text = |value: &Option<Value<String>>| text(value.as_ref()).is_some();
        let has_secret = |value: &Option<Value<Secret>>| secret(value.as_ref()).is_some();
        let all = [
            ("use_oidc", Kind::Oidc, 0, on(&self.use_oidc)),
            ("oidc_token", Kind::Oidc, 1, !off && has_secret(&self.oidc_token)),
            ("oidc_token_file_path", Kind::Oidc, 2, !off && has_text(&self.oidc_token_file_path)),
            ("oidc_request_url", Kind::Oidc, 3, !off && has_text(&self.oidc_request_url)),
            ("oidc_request_token", Kind::Oidc, 3, !off && has_secret(&self.oidc_request_token)),
            (
                "ado_pipeline_service_connection_id",
                Kind::Oidc,
                3,
                !off && has_text(&self.ado_pipeline_service_connection_id),
            ),
            ("use_msi", Kind::ManagedIdentity, 0, on(&self.use_msi)),
            ("use_cli", Kind::AzureCli, 0, on(&self.use_cli)),
            ("client_certificate", Kind::Certificate, 1, has_secret(&self.client_certificate)),
            ("client_certificate_path", Kind::Certificate, 2, has_text(&self.client_certificate_path)),
            ("client_certificate_password", Kind::Certificate, 0, has_secret(&self.client_certificate_password)),
            ("client_secret", Kind::Secret, 1, has_secret(&self.client_secret)),
            ("client_secret_file_path", Kind::Secret, 2, has_text(&self.client_secret_file_path)),
        ];
        all.into_iter().filter(|(.., says)| *says).map(|(name, kind, source, _)| (name, kind, source)).collect()
    }

    /// Attributes whose values are known only after apply.
    pub(super) fn unknown(&self) -> Vec<&'static str> {
        fn is<T>(value: &Option<Value<T>>) -> bool {
            matches!(value, Some(Value::Unknown))
        }
        let all = [
            ("client_secret", is(&self.client_secret)),
            ("client_secret_file_path", is(&self.client_secret_file_path)),
            ("client_certificate", is(&self.client_certificate)),
            ("client_certificate_path", is(&self.client_certificate_path)),
            ("client_certificate_password", is(&self.client_certificate_password)),
            ("use_oidc", is(&self.use_oidc)),
            ("oidc_token", is(&self.oidc_token)),
            ("oidc_token_file_path", is(&self.oidc_token_file_path)),
            ("oidc_request_url", is(&self.oidc_request_url)),
            ("oidc_request_token", is(&self.oidc_request_token)),
            ("ado_pipeline_service_connection_id", is(&self.ado_pipeline_service_connection_id)),
            ("use_msi", is(&self.use_msi)),
            ("use_cli", is(&self.use_cli)),
        ];
        all.into_iter().filter(|(_, unknown)| *unknown).map(|(name, _)| name).collect()
    }

    /// Refuses two methods, and two sources of one credential.
    pub(super) fn check(&self) -> Result<()> {
        let explicit = self.explicit();
        let Some((first, kind, _)) = explicit.first() else { return Ok(()) };
        if let Some((second, ..)) = explicit.iter().find(|(_, other, _)| other != kind) {
            return Err(Diagnostic::error(format!("Two ways to sign in are given: `{first}` and `{second}`"))
                .at(*second)
                .help("Only one can be used. Remove one of the two from the provider block.")
                .into());
        }
        let sources = || explicit.iter().filter(|(.., source)| *source > 0);
        let Some((first, _, source)) = sources().next() else { return Ok(()) };
        if let Some((second, ..)) = sources().find(|(.., other)| other != source) {
            return Err(Diagnostic::error(format!("`{first}` and `{second}` give the same credential twice"))
                .at(*second)
                .help("Remove one of the two from the provider block.")
                .into());
        }
        Ok(())
    }

    /// The method: the explicit one, completed by the environment, else the environment's own. `None`: neither says anything.
    /// Only where nothing is unknown.
    pub(super) fn method(&self, lookup: Lookup<'_>) -> Result<Option<Method>> {
        let kind = match self.explicit().first() {
            Some((_, kind, _)) => Some(*kind),
            None => self.environment(lookup)?,
        };
        match kind {
            None => Ok(None),
            Some(Kind::Oidc) => self.oidc(lookup).map(Some),
            Some(Kind::ManagedIdentity) => Ok(Some(identity(lookup))),
            Some(Kind::AzureCli) => Ok(Some(Method::AzureCli)),
            Some(Kind::Certificate) => self.certificate(lookup).map(Some),
            Some(Kind::Secret) => Ok(self.secret(lookup)),
        }
    }

    fn environment(&self, lookup: Lookup<'_>) -> Result<Option<Kind>> {
        let any = |names: [&str; 2]| names.iter().any(|name| shared(lookup, name).is_some());
        let says = [
            (Kind::Oidc, switched(self.use_oidc.as_ref(), lookup, "USE_OIDC")?),
            (Kind::ManagedIdentity, switched(self.use_msi.as_ref(), lookup, "USE_MSI")?),
            (Kind::AzureCli, switched(self.use_cli.as_ref(), lookup, "USE_CLI")?),
            (Kind::Certificate, any(["CLIENT_CERTIFICATE", "CLIENT_CERTIFICATE_PATH"])),
            (Kind::Secret, any(["CLIENT_SECRET", "CLIENT_SECRET_FILE_PATH"])),
        ];
        Ok(says.into_iter().find(|(_, says)| *says).map(|(kind, _)| kind))
    }

    fn secret(&self, lookup: Lookup<'_>) -> Option<Method> {
        let file = |path: &str| Method::SecretFile(PathBuf::from(path));
        secret(self.client_secret.as_ref())
            .map(Method::Secret)
            .or_else(|| text(self.client_secret_file_path.as_ref()).map(file))
            .or_else(|| shared(lookup, "CLIENT_SECRET").map(|secret| Method::Secret(secret.into())))
            .or_else(|| shared(lookup, "CLIENT_SECRET_FILE_PATH").as_deref().map(file))
    }

    fn certificate(&self, lookup: Lookup<'_>) -> Result<Method> {
        let password = secret(self.client_certificate_password.as_ref())
            .or_else(|| shared(lookup, "CLIENT_CERTIFICATE_PASSWORD").map(Secret::from));
        let given = |text: Secret| Method::Certificate(text, password.clone());
        let file = |path: &str| Method::CertificateFile(PathBuf::from(path), password.clone());
        secret(self.client_certificate.as_ref())
            .map(given)
            .or_else(|| text(self.client_certificate_path.as_ref()).map(file))
            .or_else(|| shared(lookup, "CLIENT_CERTIFICATE").map(|text| given(text.into())))
            .or_else(|| shared(lookup, "CLIENT_CERTIFICATE_PATH").as_deref().map(file))
            .ok_or_else(|| {
                Diagnostic::error("There is a password but no certificate")
                    .at("client_certificate_password")
                    .help("Set `client_certificate` or `client_certificate_path` too.")
                    .into()
            })
    }

    /// Explicit source, then `M365_*` and `ARM_*`, then what the platform sets by itself.
    fn oidc(&self, lookup: Lookup<'_>) -> Result<Method> {
        let file = |path: &str| Method::OidcTokenFile(PathBuf::from(path));
        let explicit_request = self.explicit().iter().any(|(_, kind, source)| *kind == Kind::Oidc && *source == 3);
        let explicit = secret(self.oidc_token.as_ref())
            .map(Method::OidcToken)
            .or_else(|| text(self.oidc_token_file_path.as_ref()).map(file));
        if let Some(method) = explicit {
            return Ok(method);
        }
        if explicit_request {
            return self.request(lookup);
        }
        let named = ours(lookup, "OIDC_TOKEN")
            .map(|token| Method::OidcToken(token.into()))
            .or_else(|| ours(lookup, "OIDC_TOKEN_FILE_PATH").as_deref().map(file));
        if let Some(method) = named {
            return Ok(method);
        }
        let requested = ours(lookup, "OIDC_REQUEST_URL").is_some()
            || ours(lookup, "ADO_PIPELINE_SERVICE_CONNECTION_ID").is_some()
            || platform(lookup, "ACTIONS_ID_TOKEN_REQUEST_URL").is_some();
        if requested {
            return self.request(lookup);
        }
        if let Some(path) = platform(lookup, "AZURE_FEDERATED_TOKEN_FILE") {
            return Ok(file(&path));
        }
        let missing = Diagnostic::error("There is no OIDC token to sign in with").at("use_oidc");
        Err(if platform(lookup, "SYSTEM_OIDCREQUESTURI").is_some() {
            missing.help("In Azure DevOps `ado_pipeline_service_connection_id` is needed too: the id of the service connection that vouches for the pipeline.")
        } else {
            missing.help(
                "Set `oidc_token`, `oidc_token_file_path`, or `oidc_request_url` and `oidc_request_token`. On GitHub the job needs `permissions: id-token: write`, which sets the last \
                 two; on Kubernetes the pod needs the label `azure.workload.identity/use`.",
            )
        }
        .into())
    }

    fn request(&self, lookup: Lookup<'_>) -> Result<Method> {
        let connection = text(self.ado_pipeline_service_connection_id.as_ref())
            .map(str::to_owned)
            .or_else(|| ours(lookup, "ADO_PIPELINE_SERVICE_CONNECTION_ID"));
        let (url_variable, token_variable) = match connection {
            Some(_) => ("SYSTEM_OIDCREQUESTURI", "SYSTEM_ACCESSTOKEN"),
            None => ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
        };
        let missing = |attribute: &str, variable: &str| {
            Diagnostic::error(format!("`{attribute}` is missing"))
                .at(attribute)
                .help(format!("An OIDC token can only be asked for with both a URL and a token. Set `{attribute}`; the platform calls it `{variable}`."))
        };
        let url = text(self.oidc_request_url.as_ref())
            .map(str::to_owned)
            .or_else(|| ours(lookup, "OIDC_REQUEST_URL"))
            .or_else(|| platform(lookup, url_variable))
            .ok_or_else(|| missing("oidc_request_url", url_variable))?;
        let token = secret(self.oidc_request_token.as_ref())
            .or_else(|| ours(lookup, "OIDC_REQUEST_TOKEN").map(Secret::from))
            .or_else(|| platform(lookup, token_variable).map(Secret::from))
            .ok_or_else(|| missing("oidc_request_token", token_variable))?;
        Ok(match connection {
            Some(connection) => Method::AzureDevOps { url, token, connection },
            None => Method::GitHub { url, token },
        })
    }
}

fn identity(lookup: Lookup<'_>) -> Method {
    match (platform(lookup, "IDENTITY_ENDPOINT"), platform(lookup, "IDENTITY_HEADER")) {
        (Some(endpoint), Some(header)) => Method::AppService(endpoint, header.into()),
        _ => Method::Imds(platform(lookup, "AZURE_POD_IDENTITY_AUTHORITY_HOST").unwrap_or_else(|| IMDS.to_owned())),
    }
}

impl Method {
    /// Whether it signs in as the resource that this program runs on, whose client id need not be known.
    pub(super) fn is_managed_identity(&self) -> bool {
        matches!(self, Self::Imds(_) | Self::AppService(..))
    }

    /// What fetches tokens. Reads the files that are read once. Its findings have no path: a resource reports them, to which the provider
    /// block's attributes do not belong.
    pub(super) fn source(&self, client_id: Option<&str>) -> Result<Arc<dyn TokenSource>> {
        let client = || {
            client_id.map(str::to_owned).ok_or_else(|| {
                Diagnostic::error("No client id is given").help(
                    "Set `client_id` in the provider block, or the variable `M365_CLIENT_ID`, to the client id of the provider's own application.",
                )
            })
        };
        let assertion =
            |assertion: Assertion| Ok(Arc::new(ClientAssertion::new(client()?, assertion)) as Arc<dyn TokenSource>);
        let identity = |service| Arc::new(ManagedIdentity::new(client_id.map(str::to_owned), service));
        Ok(match self {
            Self::Secret(secret) => Arc::new(ClientSecret::new(client()?, secret.clone().into_inner())),
            Self::SecretFile(path) => Arc::new(ClientSecret::new(client()?, secret_in(path)?.into_inner())),
            Self::Certificate(text, password) => {
                let found = certificate(text.expose().as_bytes(), password.as_ref(), "client_certificate")?;
                Arc::new(ClientCertificate::new(client()?, found))
            }
            Self::CertificateFile(path, password) => {
                let bytes = std::fs::read(path).map_err(|why| unreadable("client_certificate_path", path, &why))?;
                let found = certificate(&bytes, password.as_ref(), "client_certificate_path")?;
                Arc::new(ClientCertificate::new(client()?, found))
            }
            Self::OidcToken(token) => return assertion(Assertion::Given(token.clone().into_inner())),
            Self::OidcTokenFile(path) => return assertion(Assertion::File(path.clone())),
            Self::GitHub { url, token } => {
                return assertion(Assertion::GitHub { url: url.clone(), token: token.clone().into_inner() });
            }
            Self::AzureDevOps { url, token, connection } => {
                return assertion(Assertion::AzureDevOps {
                    url: url.clone(),
                    token: token.clone().into_inner(),
                    service_connection_id: connection.clone(),
                });
            }
            Self::Imds(base) => identity(IdentityService::Imds { base: base.clone() }),
            Self::AppService(endpoint, header) => identity(IdentityService::AppService {
                endpoint: endpoint.clone(),
                header: header.clone().into_inner(),
            }),
            Self::AzureCli => Arc::new(AzureCli),
        })
    }
}

fn unreadable(attribute: &str, path: &Path, why: &std::io::Error) -> Diagnostic {
    Diagnostic::error(format!("The file in `{attribute}` of the provider block cannot be read"))
        .help(format!("{}: {why}. The path is relative to the working directory.", path.display()))
}

fn secret_in(path: &Path) -> Result<Secret> {
    let text = std::fs::read_to_string(path).map_err(|why| unreadable("client_secret_file_path", path, &why))?;
    // Editors of Windows put a byte order mark in front, which is no white space.
    match text.trim_start_matches('\u{feff}').trim() {
        "" => Err(Diagnostic::error("The file in `client_secret_file_path` of the provider block is empty")
            .help(format!("{} should hold the client secret's value and nothing else.", path.display()))
            .into()),
        secret => Ok(secret.to_owned().into()),
    }
}

fn certificate(bytes: &[u8], password: Option<&Secret>, attribute: &str) -> Result<Certificate> {
    Certificate::from_any(bytes, password.map(Secret::expose).unwrap_or_default()).map_err(|why| {
        Diagnostic::error(format!("`{attribute}` of the provider block is no usable certificate"))
            .help(why.to_string())
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(text: &str) -> Option<Value<String>> {
        Some(Value::Known(text.to_owned()))
    }

    fn hidden(text: &str) -> Option<Value<Secret>> {
        Some(Value::Known(text.to_owned().into()))
    }

    const ON: Option<Value<bool>> = Some(Value::Known(true));
    const OFF: Option<Value<bool>> = Some(Value::Known(false));

    /// The method that `given` and these variables choose.
    fn chosen(given: &Given, variables: &[(&str, &str)]) -> Option<Method> {
        given.check().unwrap();
        let lookup =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        given.method(&lookup).unwrap()
    }

    fn refused(given: &Given, variables: &[(&str, &str)]) -> Diagnostic {
        let lookup =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        given.check().and_then(|()| given.method(&lookup)).unwrap_err().0.remove(0)
    }

    fn secret_of(text: &str) -> Option<Method> {
        Some(Method::Secret(text.to_owned().into()))
    }

    /// Everything at once, as a machine with many tools has it.
    const FULL: &[(&str, &str)] = &[
        ("M365_USE_OIDC", "true"),
        ("M365_OIDC_TOKEN", "jwt"),
        ("ARM_USE_MSI", "1"),
        ("M365_USE_CLI", "TRUE"),
        ("ARM_CLIENT_CERTIFICATE_PATH", "cert.pfx"),
        ("AZURE_CLIENT_CERTIFICATE_PASSWORD", "pw"),
        ("AZURE_CLIENT_SECRET", "s"),
    ];

    #[test]
    fn the_environment_chooses_oidc_identity_cli_certificate_secret_in_this_order() {
        let methods: Vec<_> = [0, 2, 3, 4, 6].map(|from| chosen(&Given::default(), &FULL[from..])).into();
        let expected = [
            Some(Method::OidcToken("jwt".to_owned().into())),
            Some(Method::Imds(IMDS.to_owned())),
            Some(Method::AzureCli),
            Some(Method::CertificateFile("cert.pfx".into(), Some("pw".to_owned().into()))),
            secret_of("s"),
        ];
        assert_eq!(methods, expected);
        assert_eq!(chosen(&Given::default(), &[]), None);
    }

    #[test]
    fn without_its_switch_a_method_of_the_environment_is_not_used() {
        let platform = [
            ("M365_OIDC_TOKEN", "jwt"),
            ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://x"),
            ("AZURE_FEDERATED_TOKEN_FILE", "/token"),
            ("IDENTITY_ENDPOINT", "http://127.0.0.1"),
            ("ARM_USE_MSI", "false"),
        ];
        assert_eq!(chosen(&Given::default(), &platform), None);
        let off = Given { use_oidc: OFF, use_msi: OFF, use_cli: OFF, ..Given::default() };
        assert_eq!(chosen(&off, FULL), chosen(&Given::default(), &FULL[4..]), "a switch in the block wins");
    }

    #[test]
    fn an_attribute_wins_over_the_whole_environment() {
        assert_eq!(chosen(&Given { client_secret: hidden("mine"), ..Given::default() }, FULL), secret_of("mine"));
        let file = Given { client_secret_file_path: known("f"), ..Given::default() };
        assert_eq!(chosen(&file, FULL), Some(Method::SecretFile("f".into())));
        assert_eq!(chosen(&Given { use_cli: ON, ..Given::default() }, FULL), Some(Method::AzureCli));
        assert_eq!(chosen(&Given { use_msi: ON, ..Given::default() }, FULL), Some(Method::Imds(IMDS.to_owned())));
        let certificate = Given { client_certificate: hidden("pem"), ..Given::default() };
        let expected = Method::Certificate("pem".to_owned().into(), Some("pw".to_owned().into()));
        assert_eq!(chosen(&certificate, FULL), Some(expected), "the password comes from the environment");
    }

    #[test]
    fn an_empty_attribute_says_nothing() {
        let empty = Given { client_secret: hidden(""), client_certificate_path: known(""), ..Given::default() };
        assert_eq!(chosen(&empty, &FULL[6..]), secret_of("s"));
    }

    #[test]
    fn the_first_prefix_that_is_set_wins() {
        let all = [("AZURE_CLIENT_SECRET", "azure"), ("ARM_CLIENT_SECRET", "arm"), ("M365_CLIENT_SECRET", "m365")];
        assert_eq!(chosen(&Given::default(), &all), secret_of("m365"));
        assert_eq!(chosen(&Given::default(), &all[..2]), secret_of("arm"));
        assert_eq!(chosen(&Given::default(), &all[..1]), secret_of("azure"));
        assert_eq!(chosen(&Given::default(), &[("M365_CLIENT_SECRET", ""), all[1]]), secret_of("arm"));
    }

    #[test]
    fn two_methods_in_the_block_are_refused_by_name() {
        let secret = || Given { client_secret: hidden("s"), ..Given::default() };
        for (given, first, second) in [
            (Given { use_oidc: ON, ..secret() }, "use_oidc", "client_secret"),
            (Given { use_msi: ON, ..secret() }, "use_msi", "client_secret"),
            (Given { use_cli: ON, ..secret() }, "use_cli", "client_secret"),
            (Given { client_certificate_path: known("c"), ..secret() }, "client_certificate_path", "client_secret"),
            (Given { use_msi: ON, use_cli: ON, ..Given::default() }, "use_msi", "use_cli"),
            (Given { oidc_token: hidden("t"), use_cli: ON, ..Given::default() }, "oidc_token", "use_cli"),
        ] {
            let found = refused(&given, &[]);
            assert!(found.summary.contains(&format!("`{first}` and `{second}`")), "{}", found.summary);
            assert_eq!(found.path, Some(second.into()));
        }
    }

    #[test]
    fn two_sources_of_one_credential_are_refused_by_name() {
        let given = Given { client_secret: hidden("s"), client_secret_file_path: known("f"), ..Given::default() };
        let found = refused(&given, &[]);
        assert!(found.summary.contains("`client_secret` and `client_secret_file_path`"), "{}", found.summary);
        let given = Given { oidc_token: hidden("t"), oidc_token_file_path: known("f"), ..Given::default() };
        assert_eq!(refused(&given, &[]).path, Some("oidc_token_file_path".into()));
    }

    #[test]
    fn oidc_tokens_come_from_the_block_then_from_variables_then_from_the_platform() {
        let platform = [
            ("M365_OIDC_TOKEN", "named"),
            ("ARM_OIDC_TOKEN_FILE_PATH", "named file"),
            ("ARM_OIDC_REQUEST_URL", "https://named"),
            ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://github"),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "github"),
            ("AZURE_FEDERATED_TOKEN_FILE", "/kubernetes"),
        ];
        let on = Given { use_oidc: ON, ..Given::default() };
        let file = Given { oidc_token_file_path: known("f"), ..Given::default() };
        assert_eq!(chosen(&file, &platform), Some(Method::OidcTokenFile("f".into())));
        let github = |url: &str| Some(Method::GitHub { url: url.to_owned(), token: "github".to_owned().into() });
        assert_eq!(chosen(&on, &platform), Some(Method::OidcToken("named".to_owned().into())));
        assert_eq!(chosen(&on, &platform[1..]), Some(Method::OidcTokenFile("named file".into())));
        assert_eq!(chosen(&on, &platform[2..]), github("https://named"));
        assert_eq!(chosen(&on, &platform[3..]), github("https://github"));
        assert_eq!(chosen(&on, &platform[5..]), Some(Method::OidcTokenFile("/kubernetes".into())));
    }

    #[test]
    fn a_service_connection_makes_it_azure_devops() {
        let variables = [("SYSTEM_OIDCREQUESTURI", "https://ado"), ("SYSTEM_ACCESSTOKEN", "t")];
        let given = Given { ado_pipeline_service_connection_id: known("id"), ..Given::default() };
        let expected =
            Method::AzureDevOps { url: "https://ado".into(), token: "t".to_owned().into(), connection: "id".into() };
        assert_eq!(chosen(&given, &variables), Some(expected));
        let found = refused(&Given { use_oidc: ON, ..Given::default() }, &variables);
        assert!(found.detail.contains("`ado_pipeline_service_connection_id`"), "{}", found.detail);
        assert_eq!(refused(&given, &variables[..1]).path, Some("oidc_request_token".into()));
    }

    #[test]
    fn what_a_method_lacks_is_named() {
        let found = refused(&Given { use_oidc: ON, ..Given::default() }, &[]);
        assert_eq!(found.path, Some("use_oidc".into()));
        assert!(found.detail.contains("`oidc_token_file_path`") && found.detail.contains("id-token"));
        let password = Given { client_certificate_password: hidden("p"), ..Given::default() };
        assert_eq!(refused(&password, &[]).path, Some("client_certificate_password".into()));
        let found = refused(&Given::default(), &[("M365_USE_MSI", "yes please")]);
        assert!(found.summary.contains("`M365_USE_MSI`"), "{}", found.summary);
    }

    #[test]
    fn app_service_is_known_by_both_of_its_variables() {
        let on = Given { use_msi: ON, ..Given::default() };
        let both = [("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi"), ("IDENTITY_HEADER", "h")];
        let expected = Method::AppService("http://127.0.0.1:1/msi".into(), "h".to_owned().into());
        assert_eq!(chosen(&on, &both), Some(expected));
        assert_eq!(chosen(&on, &both[..1]), Some(Method::Imds(IMDS.to_owned())));
        let elsewhere = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:2")];
        assert_eq!(chosen(&on, &elsewhere), Some(Method::Imds("http://127.0.0.1:2".into())));
    }

    #[test]
    fn nothing_secret_shows_in_debug() {
        let shown = format!("{:?}", chosen(&Given::default(), &[("M365_CLIENT_SECRET", "verysecret")]));
        assert!(!shown.contains("verysecret"), "{shown}");
    }
}
