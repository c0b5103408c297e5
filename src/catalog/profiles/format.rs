//! The profile file: one vendor's document as data. These structs are the format and its JSON Schema; `docs/guides/write-a-profile.md`
//! shows it.

use crate::catalog::permissions::{Kind, PermissionKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A connector as its vendor documents it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Name in configurations, also the file's name: lower case letters, digits, `-` and `_`.
    #[schemars(regex(pattern = "^[a-z0-9_-]+$"))]
    pub slug: String,
    /// Version of the permission list; raised with every change to it.
    pub version: u32,
    /// Who makes the product.
    pub vendor: String,
    /// What the connector is called.
    pub title: String,
    /// What the product does with the access, one or two sentences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Whose application it is.
    #[serde(default)]
    pub kind: ProfileKind,
    /// Client id of the vendor's application, where the document names it: of a `vendor_app` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Tenant that the vendor's application lives in, where the document names it: of a `vendor_app` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publisher_tenant_id: Option<String>,
    /// Roles of which one may give the consent. Where not given: those that may consent to what is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consent_roles: Vec<String>,
    /// Directory roles that the connector's service principal needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub directory_roles: Vec<String>,
    /// What the vendor wants to be told, such as `tenant_id`, `client_id`, `client_secret`, `certificate`, `tenant_domain`, `token_url`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
    /// Permission keys that the connector must not have, since they break its service. `*` stands for any letters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forbidden: Vec<String>,
    /// The document that the facts are from.
    pub source: Source,
    /// Defaults of the application registration.
    #[serde(default)]
    pub app: App,
    /// What the connector always asks for, by API.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub permissions: Lists,
    /// What the document marks as optional outside any feature, by API.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub optional: Lists,
    /// Parts that can be switched on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<String, Feature>,
    /// Choices of which one is enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
    /// What differs in a national cloud: `usgovernment`, `usgovernmentdod` or `china`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub clouds: BTreeMap<String, Cloud>,
    /// What has to be there before the connector works.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prerequisites: Vec<Prerequisite>,
    /// Defects of the document, and how they were resolved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discrepancies: Vec<Discrepancy>,
    /// Earlier permission lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<OlderVersion>,
    /// APIs that the provider's own catalogue lacks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apis: Vec<OwnApi>,
}

/// Whose application a connector uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProfileKind {
    /// One that the customer registers.
    #[default]
    OwnRegistration,
    /// The vendor's own, which the customer only consents to.
    VendorApp,
}

/// Permission names by API: its short name in the catalogue, or its client id.
pub type Lists = BTreeMap<String, Names>;

/// Names of one API's permissions, as `apis` has them in HCL.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// Without a signed-in user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub application: Vec<String>,
    /// On behalf of a signed-in user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delegated: Vec<String>,
    /// The document does not say which. To write a document down as it stands: `catalog check` asks for a decision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unstated: Vec<String>,
}

impl Names {
    /// The names of one kind.
    pub fn of(&self, kind: Kind) -> &[String] {
        match kind {
            Kind::Application => &self.application,
            Kind::Delegated => &self.delegated,
        }
    }
}

/// The document that the facts are from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// What the document is called.
    pub title: String,
    /// Address of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Day on which it was read, such as `2026-11-22`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "day")]
    #[schemars(with = "Option<String>")]
    pub read_on: Option<jiff::civil::Date>,
    /// Version, commit or date of the document, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Whether the whole list was seen. `false`: every plan with the profile says so.
    #[serde(default = "yes")]
    pub complete: bool,
    /// How many permissions the document announces, by API; `total` for all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, u32>,
    /// APIs that the document speaks of, also where it lists none of their permissions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<String>,
}

impl std::fmt::Display for Source {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.title)?;
        self.url.as_ref().map_or(Ok(()), |url| write!(out, ", {url}"))
    }
}

fn yes() -> bool {
    true
}

/// TOML has days; the type of the crate that reads them does not go into JSON as a text.
fn day<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<jiff::civil::Date>, D::Error> {
    let read = toml::value::Datetime::deserialize(input)?;
    read.to_string().parse().map(Some).map_err(|_| serde::de::Error::custom(format!("{read} is no day")))
}

/// Defaults of the application registration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// Display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Graph's value, such as `AzureADMyOrg`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in_audience: Option<String>,
    /// Redirect URIs of the web platform. A `{name}` in one is a variable that the resource gives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub web_redirect_uris: Vec<String>,
    /// Redirect URIs of the single-page platform, likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spa_redirect_uris: Vec<String>,
    /// Redirect URIs of the public client platform, likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_client_redirect_uris: Vec<String>,
    /// Whether the connector uses an application that somebody else made.
    #[serde(default)]
    pub existing: Existing,
    /// Kinds of credential that the vendor takes, the recommended one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialKind>,
}

/// Whether a connector uses an application that somebody else made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Existing {
    /// It has one of its own.
    #[default]
    Never,
    /// Its own, or one that is there already.
    Optional,
    /// The one that is there already: the connector only adds permissions to it.
    Required,
}

/// How a connector proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// A client secret.
    Secret,
    /// A certificate, of which the application gets the public part.
    Certificate,
    /// A token of another issuer that the application trusts.
    Federated,
}

impl std::fmt::Display for CredentialKind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Secret => "secret",
            Self::Certificate => "certificate",
            Self::Federated => "federated",
        })
    }
}

/// A part that can be switched on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// What it is for, one line.
    pub title: String,
    /// Slug of the profile that has this feature as an application of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_app: Option<String>,
    /// Directory roles that the service principal needs for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub directory_roles: Vec<String>,
    /// What it asks for, by API. Two features may ask for the same.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub permissions: Lists,
}

/// A choice: one of these is enough. The first is taken unless `choose` names another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alternative {
    /// Name in `choose`: lower case letters, digits, `-` and `_`.
    pub name: String,
    /// What is chosen, one line.
    pub title: String,
    /// Feature that asks for it; none: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature: Option<String>,
    /// Permission keys, or keys of directory roles (`directory/role/Global Reader`), the document's first choice first.
    pub one_of: Vec<String>,
}

/// What differs in a national cloud.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cloud {
    /// Whether the connector works there at all.
    #[serde(default = "yes")]
    pub supported: bool,
    /// Features that are not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
    /// Permission keys in place of others: key of the public cloud → key there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replace: BTreeMap<String, String>,
    /// What else is to be known, one or two sentences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Something that has to be there before the connector works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prerequisite {
    /// Unique within the profile.
    pub name: String,
    /// What sort it is.
    pub kind: PrerequisiteKind,
    /// What it means, one or two sentences.
    pub detail: String,
    /// Ids of which one is enough: service plans of a licence, templates of a role. A licence without any says that every one will do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub any_of: Vec<String>,
    /// Permission keys that need it; none: the connector as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needed_by: Vec<String>,
}

/// Sort of a prerequisite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PrerequisiteKind {
    /// A licensed service plan.
    Licence,
    /// A directory role of the person who sets the connector up.
    Role,
    /// A service that has to be on.
    Service,
    /// Something that a person does.
    Step,
    /// A role of Azure's own access control (RBAC), which Entra does not know.
    AzureRole,
    /// A role of Exchange Online's own access control (RBAC for applications).
    ExchangeRole,
    /// A user account that the connector signs in with.
    ServiceAccount,
}

/// In the four words of a report: what is neither licence, role nor service is a step.
impl std::fmt::Display for PrerequisiteKind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Licence => "licence",
            Self::Role => "role",
            Self::Service => "service",
            Self::Step | Self::AzureRole | Self::ExchangeRole | Self::ServiceAccount => "step",
        })
    }
}

/// A defect of the document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Discrepancy {
    /// Sort, one word: the kind of the finding of `catalog check` that it answers.
    pub kind: String,
    /// What is wrong.
    pub text: String,
    /// What this profile does about it.
    pub resolution: String,
    /// What it is about: permission keys (`*` stands for any letters), or attributes of this file, such as `consent_roles`,
    /// `app.display_name` or `prerequisites.NAME`. A finding of this kind about these is passed over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub about: Vec<String>,
    /// What the document has in their place, where this profile had to change it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub as_written: Vec<String>,
    /// No machine can find it: a person read it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_reading: bool,
}

/// An earlier permission list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OlderVersion {
    /// Its number.
    pub version: u32,
    /// What it always asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub permissions: Lists,
    /// What it marked as optional.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub optional: Lists,
    /// Its features.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<String, Feature>,
    /// Its choices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
    /// Its directory roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub directory_roles: Vec<String>,
}

/// An API that a profile brings along, such as a vendor's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnApi {
    /// Short name in permission keys: lower case letters, digits and `_`.
    #[schemars(regex(pattern = "^[a-z][a-z0-9_]*$"))]
    pub key: String,
    /// Client id of the API (GUID).
    pub app_id: String,
    /// Name that administrators see.
    pub display_name: String,
    /// What it offers, as far as the profile needs it.
    pub permissions: Vec<OwnPermission>,
}

/// A permission of such an API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnPermission {
    /// Name.
    pub value: String,
    /// Application or delegated.
    pub kind: Kind,
    /// Id of the app role or scope (GUID).
    pub id: String,
    /// Whether only an administrator may consent to a delegated one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_consent_required: Option<bool>,
}

/// The keys of all names whose kind is stated.
pub(super) fn keys(lists: &Lists) -> impl Iterator<Item = PermissionKey> {
    lists.iter().flat_map(|(api, names)| {
        [Kind::Application, Kind::Delegated].into_iter().flat_map(move |kind| {
            let key = move |value: &String| PermissionKey { api: api.clone(), kind, value: value.clone() };
            names.of(kind).iter().map(key)
        })
    })
}

/// Why redirect URIs cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// Names in the URIs that nothing is given for.
    #[error("The redirect URIs need {}.", .0.join(", "))]
    Missing(Vec<String>),
    /// Names that no redirect URI has.
    #[error("No redirect URI has {}.", .0.join(", "))]
    Unused(Vec<String>),
}

impl App {
    fn uris(&mut self) -> impl Iterator<Item = &mut String> {
        let all = [&mut self.web_redirect_uris, &mut self.spa_redirect_uris, &mut self.public_client_redirect_uris];
        all.into_iter().flatten()
    }

    /// Names in braces in the redirect URIs.
    pub fn variables(&self) -> BTreeSet<String> {
        let mut copy = self.clone();
        copy.uris().flat_map(|uri| names(uri)).collect()
    }

    /// The same with the redirect URIs filled in. Fails on a name without a value, and on a value without a name.
    pub fn filled(&self, variables: &BTreeMap<String, String>) -> Result<Self, VariableError> {
        let wanted = self.variables();
        let missing: Vec<_> = wanted.iter().filter(|name| !variables.contains_key(*name)).cloned().collect();
        if !missing.is_empty() {
            return Err(VariableError::Missing(missing));
        }
        let unused: Vec<_> = variables.keys().filter(|name| !wanted.contains(*name)).cloned().collect();
        if !unused.is_empty() {
            return Err(VariableError::Unused(unused));
        }
        let mut filled = self.clone();
        for uri in filled.uris() {
            for (name, value) in variables {
                *uri = uri.replace(&format!("{{{name}}}"), value);
            }
        }
        Ok(filled)
    }
}

fn names(uri: &str) -> Vec<String> {
    let inner = uri.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    inner.map(|(name, _)| name.to_owned()).collect()
}
