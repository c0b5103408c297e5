//! Connector profiles: what a vendor's document lists, as data. The structs are the file format and its JSON Schema.

use super::permissions::{Kind, PermissionKey, nearest};
use super::{CatalogError, did_you_mean};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A connector as its vendor documents it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Name in configurations; also the file's name.
    pub slug: String,
    /// Version of the permission list; raised with every change to it.
    pub version: u32,
    /// Who makes the product.
    pub vendor: String,
    /// What the connector is called.
    pub title: String,
    /// The document that the facts are from.
    pub source: String,
    /// Defaults of the application registration.
    #[serde(default)]
    pub app: App,
    /// What the connector asks for.
    #[serde(default)]
    pub permissions: Vec<ProfilePermission>,
    /// Parts that can be switched on.
    #[serde(default)]
    pub features: BTreeMap<String, Feature>,
    /// What has to be there before the connector works.
    #[serde(default)]
    pub prerequisites: Vec<Prerequisite>,
    /// Roles that may give the consent.
    #[serde(default)]
    pub consent_roles: Vec<String>,
    /// What the vendor wants to be told.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// Defects of the document, and how they were resolved.
    #[serde(default)]
    pub discrepancies: Vec<Discrepancy>,
    /// Earlier permission lists.
    #[serde(default)]
    pub versions: Vec<OlderVersion>,
    /// APIs that the provider's own catalogue lacks.
    #[serde(default)]
    pub apis: Vec<OwnApi>,
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
    pub admin_consent_required: Option<bool>,
}

/// Defaults of the application registration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// Display name.
    pub display_name: Option<String>,
    /// Graph's value, such as `AzureADMyOrg`.
    pub sign_in_audience: Option<String>,
    /// Redirect URIs of the web platform.
    #[serde(default)]
    pub web_redirect_uris: Vec<String>,
    /// Redirect URIs of the single-page platform.
    #[serde(default)]
    pub spa_redirect_uris: Vec<String>,
    /// Redirect URIs of the public client platform.
    #[serde(default)]
    pub public_client_redirect_uris: Vec<String>,
    /// Whether the connector uses an application that somebody else made.
    #[serde(default)]
    pub existing: Existing,
    /// Credentials that the vendor wants, such as `one secret`.
    pub credential: Option<String>,
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

/// A permission that the document lists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfilePermission {
    /// Short name of the API.
    pub api: String,
    /// Application or delegated.
    pub kind: Kind,
    /// Name.
    pub value: String,
    /// The document marks it as optional, outside any feature.
    #[serde(default)]
    pub optional: bool,
    /// Features that bring it; none: always there.
    #[serde(default)]
    pub features: Vec<String>,
}

/// A part that can be switched on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// What it is for, one line.
    pub title: String,
    /// Slug of the profile that has this feature as an application of its own.
    pub own_app: Option<String>,
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
    /// Ids of which one is enough: service plans of a licence, templates of a role.
    #[serde(default)]
    pub any_of: Vec<String>,
    /// Permission keys that need it; none: the connector as a whole.
    #[serde(default)]
    pub needed_by: Vec<String>,
}

/// Sort of a prerequisite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PrerequisiteKind {
    /// A licensed service plan.
    Licence,
    /// A directory role.
    Role,
    /// A service that has to be on.
    Service,
    /// Something that a person does.
    Step,
}

impl std::fmt::Display for PrerequisiteKind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Licence => "licence",
            Self::Role => "role",
            Self::Service => "service",
            Self::Step => "step",
        })
    }
}

/// A defect of the document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Discrepancy {
    /// Sort, one word.
    pub kind: String,
    /// What is wrong.
    pub text: String,
    /// What this profile does about it.
    pub resolution: String,
}

/// An earlier permission list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OlderVersion {
    /// Its number.
    pub version: u32,
    /// Its list.
    pub permissions: Vec<ProfilePermission>,
    /// Its features.
    #[serde(default)]
    pub features: BTreeMap<String, Feature>,
}

/// One version of a profile, ready for use.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileVersion {
    /// Name of the profile.
    pub slug: String,
    /// Which version.
    pub version: u32,
    /// Defaults of the application.
    pub app: App,
    /// The whole profile, of which this is one version.
    pub profile: Profile,
    permissions: Vec<ProfilePermission>,
    features: BTreeMap<String, Feature>,
}

impl Profile {
    /// The present version, or the one asked for.
    pub(super) fn version(&self, version: Option<&str>) -> Result<ProfileVersion, CatalogError> {
        let made =
            |version: u32, permissions: &[ProfilePermission], features: &BTreeMap<String, Feature>| ProfileVersion {
                slug: self.slug.clone(),
                version,
                app: self.app.clone(),
                profile: self.clone(),
                permissions: permissions.to_vec(),
                features: features.clone(),
            };
        let wanted = match version {
            None => Some(self.version),
            Some(text) => text.parse().ok(),
        };
        if wanted == Some(self.version) {
            return Ok(made(self.version, &self.permissions, &self.features));
        }
        if let Some(older) = self.versions.iter().find(|older| Some(older.version) == wanted) {
            return Ok(made(older.version, &older.permissions, &older.features));
        }
        let available = self
            .versions
            .iter()
            .map(|older| older.version)
            .chain([self.version])
            .map(|one| one.to_string())
            .collect::<Vec<_>>();
        Err(CatalogError::NoSuchVersion {
            slug: self.slug.clone(),
            version: version.unwrap_or_default().to_owned(),
            available: available.join(", "),
        })
    }
}

impl ProfileVersion {
    /// Parts that can be switched on.
    pub fn features(&self) -> &BTreeMap<String, Feature> {
        &self.features
    }

    /// The permissions with these features on. Fails on the first feature that the profile lacks.
    pub fn permissions(
        &self,
        features: &BTreeSet<String>,
        include_optional: bool,
    ) -> Result<BTreeSet<PermissionKey>, CatalogError> {
        if let Some(feature) = features.iter().find(|feature| !self.features.contains_key(*feature)) {
            let available = match self.features.is_empty() {
                true => "it has none.".to_owned(),
                false => {
                    let all = self.features.keys().cloned().collect::<Vec<_>>().join(", ");
                    format!(
                        "it has {all}.{}",
                        did_you_mean(&nearest(feature, self.features.keys().map(String::as_str)))
                    )
                }
            };
            return Err(CatalogError::NoSuchFeature { slug: self.slug.clone(), feature: feature.clone(), available });
        }
        let wanted = |one: &&ProfilePermission| {
            if one.features.is_empty() {
                include_optional || !one.optional
            } else {
                one.features.iter().any(|feature| features.contains(feature))
            }
        };
        let key =
            |one: &ProfilePermission| PermissionKey { api: one.api.clone(), kind: one.kind, value: one.value.clone() };
        Ok(self.permissions.iter().filter(wanted).map(key).collect())
    }
}

macro_rules! profiles {
    ($($slug:literal),* $(,)?) => {
        const FILES: &[(&str, &str)] = &[$(($slug, include_str!(concat!("../../catalog/profiles/", $slug, ".toml")))),*];
    };
}
profiles![
    "defense-com-users",
    "md-eco-m365-defender",
    "md-eco-m365-defender-remediation",
    "securends-office365",
    "threatdefence-graph",
    "threatdefence-ms365",
];

/// A profile file's contents. `name` is for the error.
pub(super) fn parse(name: &str, text: &str) -> Result<Profile, CatalogError> {
    toml::from_str(text).map_err(|why| {
        // Its own text repeats the line, which may hold anything where the file was not meant.
        let before = why.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let why = format!("line {line}, column {column}: {}", why.message());
        CatalogError::Invalid { file: name.to_owned(), why }
    })
}

pub(super) fn built_in() -> BTreeMap<String, Profile> {
    // A file that does not parse is a fault of the build, which a test finds.
    FILES.iter().filter_map(|(slug, text)| Some(((*slug).to_owned(), parse(slug, text).ok()?))).collect()
}

/// The JSON Schema of a profile file, for editors.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Profile).to_value()
}

#[cfg(test)]
mod tests {
    use super::super::Catalog;
    use super::*;

    fn ids(profile: &str, features: &[&str]) -> BTreeMap<String, String> {
        let catalog = Catalog::built_in();
        let features = features.iter().map(|one| (*one).to_owned()).collect();
        let keys = catalog.profile(profile).unwrap().permissions(&features, false).unwrap();
        keys.iter()
            .map(|key| (key.to_string(), catalog.api(&key.api).unwrap().find(key.kind, &key.value).unwrap().id.clone()))
            .collect()
    }

    #[test]
    fn every_built_in_profile_passes_the_checks_of_a_users_own() {
        let files: Vec<_> =
            FILES.iter().map(|(slug, text)| (format!("{slug}.toml"), parse(slug, text).unwrap())).collect();
        assert!(FILES.iter().zip(&files).all(|((slug, _), (_, profile))| profile.slug == *slug));
        let found = super::super::checks::check(&files, Catalog::built_in());
        assert!(found.is_empty(), "{found:?}");
    }

    /// Source: the vendors' documents, with ids of the permission catalogue.
    #[test]
    fn each_document_s_permissions_have_the_documented_ids() {
        let values = |profile, features: &[&str]| ids(profile, features).into_values().collect::<BTreeSet<_>>();
        let set = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<BTreeSet<_>>();
        let defense = set(&["741f803b-c850-494e-b5df-cde7c675a1ca", "77f3a031-c388-4f99-b373-dc68676a979e"]);
        assert_eq!(values("defense-com-users", &[]), defense);
        let securends = ids("securends-office365", &[]);
        let expected = [
            ("microsoft_graph/application/Directory.Read.All", "7ab1d382-f21e-4acd-a863-ba3e13f7da61"),
            ("microsoft_graph/application/User.Read.All", "df021288-bdef-4463-88db-98f22de89214"),
            ("microsoft_graph/delegated/Directory.AccessAsUser.All", "0e263e50-5827-48a4-b97c-d940288653c7"),
            ("microsoft_graph/delegated/Directory.Read.All", "06da0dbc-49e2-44d2-8312-53f166ab848a"),
            ("microsoft_graph/delegated/User.Read", "e1fe6dd8-ba31-4d61-89e7-88639da4683d"),
            ("microsoft_graph/delegated/User.Read.All", "a154be20-db9c-4678-8ab7-66f6cc099a59"),
            ("microsoft_graph/delegated/User.ReadBasic.All", "b340eb25-3456-403f-be2f-af7a0d370277"),
        ];
        assert_eq!(securends, expected.map(|(key, id)| (key.to_owned(), id.to_owned())).into());
        let remediation = set(&[
            "741f803b-c850-494e-b5df-cde7c675a1ca",
            "7e4e1300-e1b9-4102-88ba-f0cb6e6d5974",
            "a86d9824-b2b6-45f8-b042-16bc4922ed4e",
        ]);
        assert_eq!(values("md-eco-m365-defender-remediation", &[]), remediation);
        let feed = "594c1fb6-4f81-4475-ae41-0c394909246c";
        assert_eq!(values("threatdefence-ms365", &[]), set(&[feed]));
        assert_eq!(values("threatdefence-ms365", &["dlp"]), set(&[feed, "4807a72c-ad38-4250-94c9-4eabfe26cd55"]));
        let required = set(&[
            "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
            "1260ad83-98fb-4785-abbb-d6cc1806fd41",
            "7ab1d382-f21e-4acd-a863-ba3e13f7da61",
            "472e4a4d-bb4a-4026-98d1-0b0d74cb74a5",
            "45cc0394-e837-488b-a098-1918f48d186c",
            "dc5007c0-2d7d-4c42-879c-2dab87571379",
            "607c7344-0eed-41e5-823a-9695ebe1b7b0",
            "6e472fd1-ad78-48da-a0f0-97ab2c6b769e",
            "df021288-bdef-4463-88db-98f22de89214",
            "7438b122-aefc-4978-80ed-43db9fcc7715",
            "230c1aed-a721-4c5d-9cb4-a90514e508ef",
            "bf394140-e372-4bf9-a898-299cfc7564e5",
            "b0afded3-3588-46d8-8b3d-9842eff778da",
        ]);
        let graph = "threatdefence-graph";
        assert_eq!(values(graph, &[]), required);
        let beyond = |features: &[&str]| &values(graph, features) - &required;
        let intune = set(&[
            "7a6ee1e7-141e-4cec-ae74-d9db155731ff",
            "dc377aa6-52d8-4e23-b271-2a7ae04cedf3",
            "2f51be20-0bb4-4fed-bf7b-db946066c75e",
        ]);
        let response = set(&["3011c876-62b7-4ada-afa2-506cbbecc68c", "77f3a031-c388-4f99-b373-dc68676a979e"]);
        let isolator = &response | &set(&["cc117bb9-00cf-4eb8-b580-ea2a878fe8f7"]);
        assert_eq!(
            (beyond(&["intune"]), beyond(&["response"]), beyond(&["user-isolator"])),
            (intune, response, isolator)
        );
    }

    #[test]
    fn md_eco_asks_for_two_of_graph_and_five_of_defender() {
        let base = ids("md-eco-m365-defender", &[]);
        let expected = [
            ("microsoft_graph/application/SecurityIncident.ReadWrite.All", "34bf0e97-1971-4929-b999-9e2442d941d7"),
            ("microsoft_graph/application/User.Read.All", "df021288-bdef-4463-88db-98f22de89214"),
            ("windows_defender_atp/application/AdvancedQuery.Read.All", "93489bf5-0fbc-4f2d-b901-33f2fe08ff05"),
            ("windows_defender_atp/application/Machine.Read.All", "ea8291d3-4b9a-44b5-bc3a-6cea3026dc79"),
            ("windows_defender_atp/application/Software.Read.All", "37f71c98-d198-41ae-964d-2c49aab74926"),
            ("windows_defender_atp/application/User.Read.All", "a833834a-4cf1-4732-8acf-bbcfa13fb610"),
            ("windows_defender_atp/application/Vulnerability.Read.All", "41269fc5-d04d-4bfd-bce7-43a51cea049a"),
        ];
        assert_eq!(base, expected.map(|(key, id)| (key.to_owned(), id.to_owned())).into());
        let with_remediation = ids("md-eco-m365-defender", &["remediation"]);
        let added: Vec<_> =
            with_remediation.iter().filter(|(key, _)| !base.contains_key(*key)).map(|(key, _)| key.as_str()).collect();
        assert_eq!(
            added,
            [
                "microsoft_graph/application/User.ReadWrite.All",
                "windows_defender_atp/application/Machine.Isolate",
                "windows_defender_atp/application/Machine.Scan"
            ]
        );
    }

    #[test]
    fn what_is_not_there_is_named_with_what_is() {
        let catalog = Catalog::built_in();
        assert!(
            catalog
                .profile("md-eco-m365-defendr")
                .unwrap_err()
                .to_string()
                .contains("Did you mean md-eco-m365-defender")
        );
        assert!(
            catalog.profile("md-eco-m365-defender@7").unwrap_err().to_string().contains("has no version 7; it has 1")
        );
        let features = BTreeSet::from(["remedation".to_owned()]);
        let text =
            catalog.profile("md-eco-m365-defender").unwrap().permissions(&features, false).unwrap_err().to_string();
        assert!(text.contains("it has remediation. Did you mean remediation?"), "{text}");
    }

    #[test]
    fn an_unknown_attribute_in_a_profile_is_refused_with_its_line() {
        let text = "slug = \"x\"\nversion = 1\nvendor = \"v\"\ntitle = \"t\"\nsource = \"s\"\ncolour = \"red\"\n";
        let error = parse("x.toml", text).unwrap_err().to_string();
        assert!(error.contains("line 6") && error.contains("colour"), "{error}");
    }

    #[test]
    fn the_committed_json_schema_is_current() {
        let committed: serde_json::Value =
            serde_json::from_str(include_str!("../../catalog/profile.schema.json")).unwrap();
        assert_eq!(committed, schema(), "run `cargo run -- catalog schema > catalog/profile.schema.json`");
    }
}
