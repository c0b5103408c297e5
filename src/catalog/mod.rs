//! Permission and profile catalogue: types, loading, look-up with nearest names. Data lives in `catalog/`.

mod permissions;
mod profiles;

pub use permissions::{Api, Kind, LookupError, Permission, PermissionKey};
pub use profiles::{App, Discrepancy, Feature, Prerequisite, Profile, ProfilePermission, ProfileVersion, schema};

use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Everything known of APIs and connectors.
pub struct Catalog {
    apis: permissions::Apis,
    profiles: BTreeMap<String, Profile>,
}

/// Why a profile cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// No profile of that slug.
    #[error("There is no profile \"{name}\".{}", did_you_mean(nearest))]
    NoSuchProfile {
        /// As asked for.
        name: String,
        /// Slugs that look alike.
        nearest: Vec<String>,
    },
    /// The profile has no such version.
    #[error("The profile \"{slug}\" has no version {version}; it has {available}.")]
    NoSuchVersion {
        /// The profile.
        slug: String,
        /// As asked for.
        version: String,
        /// All versions, for people.
        available: String,
    },
    /// The profile has no such feature.
    #[error("The profile \"{slug}\" has no feature \"{feature}\"; {available}")]
    NoSuchFeature {
        /// The profile.
        slug: String,
        /// As asked for.
        feature: String,
        /// All features, for people.
        available: String,
    },
    /// A profile file that is not one.
    #[error("{file}: {why}")]
    Invalid {
        /// File name.
        file: String,
        /// With line and column where TOML gives them.
        why: String,
    },
}

impl Catalog {
    /// The catalogue that the binary carries. An API's file is parsed when it is first asked for.
    pub fn built_in() -> &'static Self {
        static CATALOG: OnceLock<Catalog> = OnceLock::new();
        CATALOG.get_or_init(|| Self { apis: permissions::Apis::built_in(), profiles: profiles::built_in() })
    }

    /// The API of a short name or client id.
    pub fn api(&self, named: &str) -> Option<&Api> {
        self.apis.get(named)
    }

    /// Short names of all APIs.
    pub fn api_keys(&self) -> impl Iterator<Item = &str> {
        self.apis.keys()
    }

    /// The permission of `api`; the error says where else the name exists, and which names look alike.
    pub fn find<'a>(&'a self, api: &'a Api, kind: Kind, value: &str) -> Result<&'a Permission, LookupError> {
        api.find(kind, value).map_err(|error| match error {
            LookupError::NoSuchPermission { api: name, kind, value, nearest, other_kind, .. } => {
                let elsewhere = self.api_keys().filter(|key| *key != name).filter_map(|key| self.api(key));
                let other_apis =
                    elsewhere.filter(|other| other.find(kind, &value).is_ok()).map(|other| other.key.clone()).collect();
                LookupError::NoSuchPermission { api: name, kind, value, nearest, other_kind, other_apis }
            }
            other => other,
        })
    }

    /// The key's one spelling: the API's short name, the permission's name (its id where the name is not unique), GUIDs in lower case.
    /// What the catalogue does not know stays as it stands.
    #[must_use]
    pub fn canonical(&self, key: &PermissionKey) -> PermissionKey {
        let Some(api) = self.api(&key.api) else {
            return PermissionKey {
                api: key.api.to_lowercase(),
                kind: key.kind,
                value: permissions::lower_guid(&key.value),
            };
        };
        match api.find(key.kind, &key.value) {
            Ok(permission) => api.key_of(permission),
            Err(_) => {
                PermissionKey { api: api.key.clone(), kind: key.kind, value: permissions::lower_guid(&key.value) }
            }
        }
    }

    /// A profile by `slug`, or one version of it by `slug@version`.
    pub fn profile(&self, named: &str) -> Result<ProfileVersion, CatalogError> {
        let (slug, version) = named.split_once('@').map_or((named, None), |(slug, version)| (slug, Some(version)));
        let Some(profile) = self.profiles.get(slug) else {
            let nearest = permissions::nearest(slug, self.profiles.keys().map(String::as_str));
            return Err(CatalogError::NoSuchProfile { name: slug.to_owned(), nearest });
        };
        profile.version(version)
    }

    /// All profiles by slug.
    pub fn profiles(&self) -> &BTreeMap<String, Profile> {
        &self.profiles
    }
}

fn did_you_mean(nearest: &[String]) -> String {
    match nearest {
        [] => String::new(),
        [one] => format!(" Did you mean {one}?"),
        [rest @ .., last] => format!(" Did you mean {} or {last}?", rest.join(", ")),
    }
}
