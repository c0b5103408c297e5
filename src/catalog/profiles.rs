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
    /// The application is made by somebody else; the connector only adds permissions to it.
    #[serde(default)]
    pub existing: bool,
    /// Credentials that the vendor wants, such as `one secret`.
    pub credential: Option<String>,
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
profiles!["md-eco-m365-defender"];

/// A profile file's contents. `name` is for the error.
pub(super) fn parse(name: &str, text: &str) -> Result<Profile, CatalogError> {
    toml::from_str(text).map_err(|why| CatalogError::Invalid { file: name.to_owned(), why: why.to_string() })
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
    fn every_profile_parses_and_every_permission_exists() {
        let catalog = Catalog::built_in();
        for (slug, text) in FILES {
            let profile = parse(slug, text).unwrap();
            assert_eq!(profile.slug, *slug);
            for one in profile.permissions.iter().chain(profile.versions.iter().flat_map(|older| &older.permissions)) {
                catalog.find(catalog.api(&one.api).unwrap(), one.kind, &one.value).unwrap();
                assert!(
                    one.features.iter().all(|feature| profile.features.contains_key(feature)),
                    "{slug}: {}",
                    one.value
                );
            }
        }
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
