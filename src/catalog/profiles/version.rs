//! One version of a profile, and what it asks for with the features, options and choices that a configuration names.

use super::format::{Alternative, App, Cloud, Feature, Lists, Profile, keys};
use crate::catalog::consent_roles::consent_roles;
use crate::catalog::permissions::{PermissionKey, nearest};
use crate::catalog::{CatalogError, did_you_mean};
use std::collections::{BTreeMap, BTreeSet};

/// How the keys of directory roles begin, which stand among permission keys.
pub const ROLE_KEY: &str = "directory/role/";

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
    list: List,
}

/// What one version lists.
#[derive(Debug, Clone, PartialEq)]
struct List {
    permissions: Lists,
    optional: Lists,
    features: BTreeMap<String, Feature>,
    alternatives: Vec<Alternative>,
    directory_roles: Vec<String>,
}

/// What a configuration says of a profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Parts that are switched on.
    pub features: BTreeSet<String>,
    /// Whether what is optional outside any feature is asked for.
    pub include_optional: bool,
    /// Name of an alternative → key of the choice; the document's first where not given.
    pub choose: BTreeMap<String, String>,
    /// National cloud: `usgovernment`, `usgovernmentdod` or `china`; none: the public one.
    pub cloud: Option<String>,
}

/// What a profile asks for with a selection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Permission keys as the profile spells them.
    pub permissions: BTreeSet<PermissionKey>,
    /// Names or ids of directory roles of the service principal.
    pub directory_roles: BTreeSet<String>,
}

/// Why a profile asks for a permission or a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Always.
    Required,
    /// Where a choice falls on it.
    Alternative,
    /// With one of some features.
    Feature,
    /// With `include_optional`.
    Optional,
}

impl std::fmt::Display for Need {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Required => "required",
            Self::Alternative => "alternative",
            Self::Feature => "feature",
            Self::Optional => "optional",
        })
    }
}

/// A permission or directory role that a profile may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Permission key, or `directory/role/<name>`.
    pub key: String,
    /// Why it is asked for.
    pub need: Need,
    /// Features that ask for it.
    pub features: BTreeSet<String>,
}

impl Profile {
    /// The present version, or the one asked for.
    pub(in crate::catalog) fn version(&self, version: Option<&str>) -> Result<ProfileVersion, CatalogError> {
        let present = List {
            permissions: self.permissions.clone(),
            optional: self.optional.clone(),
            features: self.features.clone(),
            alternatives: self.alternatives.clone(),
            directory_roles: self.directory_roles.clone(),
        };
        let older = self.versions.iter().map(|older| {
            let list = List {
                permissions: older.permissions.clone(),
                optional: older.optional.clone(),
                features: older.features.clone(),
                alternatives: older.alternatives.clone(),
                directory_roles: older.directory_roles.clone(),
            };
            (older.version, list)
        });
        let mut lists: BTreeMap<u32, List> = older.chain([(self.version, present)]).collect();
        let wanted = version.map_or(Some(self.version), |text| text.parse().ok());
        let found = wanted.and_then(|number| Some((number, lists.remove(&number)?)));
        let Some((number, list)) = found else {
            let available = lists.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let version = version.unwrap_or_default().to_owned();
            return Err(CatalogError::NoSuchVersion { slug: self.slug.clone(), version, available });
        };
        Ok(ProfileVersion {
            slug: self.slug.clone(),
            version: number,
            app: self.app.clone(),
            profile: self.clone(),
            list,
        })
    }
}

impl ProfileVersion {
    /// Parts that can be switched on.
    pub fn features(&self) -> &BTreeMap<String, Feature> {
        &self.list.features
    }

    /// Choices of which one is enough.
    pub fn alternatives(&self) -> &[Alternative] {
        &self.list.alternatives
    }

    /// What differs in the national cloud of this name.
    pub fn cloud(&self, name: &str) -> Option<&Cloud> {
        self.profile.clouds.get(name)
    }

    /// The permissions with these features on, in the public cloud, with the document's first choices. Fails on the first feature that
    /// the profile lacks.
    pub fn permissions(
        &self,
        features: &BTreeSet<String>,
        include_optional: bool,
    ) -> Result<BTreeSet<PermissionKey>, CatalogError> {
        let selection = Selection { features: features.clone(), include_optional, ..Selection::default() };
        Ok(self.select(&selection)?.permissions)
    }

    /// What is asked for with this selection. Fails on a feature, alternative or choice that the profile lacks, on a choice for a
    /// feature that is off, and on a cloud or a feature in it that the connector does not support.
    pub fn select(&self, selection: &Selection) -> Result<Asked, CatalogError> {
        let on = selection.features.iter().map(|name| self.feature(name)).collect::<Result<Vec<_>, _>>()?;
        let optional = selection.include_optional.then_some(&self.list.optional);
        let lists = [&self.list.permissions].into_iter().chain(optional).chain(on.iter().map(|one| &one.permissions));
        let mut asked = Asked {
            permissions: lists.flat_map(keys).collect(),
            directory_roles: self.list.directory_roles.iter().cloned().collect(),
        };
        asked.directory_roles.extend(on.iter().flat_map(|one| one.directory_roles.iter().cloned()));
        for chosen in self.chosen(selection)? {
            match (chosen.strip_prefix(ROLE_KEY), chosen.parse()) {
                (Some(role), _) => drop(asked.directory_roles.insert(role.to_owned())),
                (None, Ok(key)) => drop(asked.permissions.insert(key)),
                // A file with such an entry does not pass the checks of its form.
                (None, Err(_)) => {}
            }
        }
        self.translate(&mut asked.permissions, selection)?;
        Ok(asked)
    }

    /// All that any selection may ask for, permissions first.
    pub fn listed(&self) -> Vec<Listed> {
        let mut all = BTreeMap::<String, (Need, BTreeSet<String>)>::new();
        let mut add = |key: String, need: Need, feature: Option<&String>| {
            let entry = all.entry(key).or_insert((need, BTreeSet::new()));
            entry.0 = entry.0.min(need);
            entry.1.extend(feature.cloned());
        };
        let role = |name: &String| format!("{ROLE_KEY}{name}");
        let list = &self.list;
        keys(&list.permissions).for_each(|key| add(key.to_string(), Need::Required, None));
        list.directory_roles.iter().for_each(|name| add(role(name), Need::Required, None));
        keys(&list.optional).for_each(|key| add(key.to_string(), Need::Optional, None));
        for (name, feature) in &list.features {
            keys(&feature.permissions).for_each(|key| add(key.to_string(), Need::Feature, Some(name)));
            feature.directory_roles.iter().for_each(|one| add(role(one), Need::Feature, Some(name)));
        }
        for alternative in &list.alternatives {
            let one_of = alternative.one_of.iter();
            one_of.for_each(|key| add(key.clone(), Need::Alternative, alternative.feature.as_ref()));
        }
        let listed = all.into_iter().map(|(key, (need, features))| Listed { key, need, features });
        let (roles, mut permissions): (Vec<_>, Vec<_>) = listed.partition(|one| one.key.starts_with(ROLE_KEY));
        permissions.extend(roles);
        permissions
    }

    /// Roles of which one may give the consent: the document's, else those that may consent to all that the profile may ask for.
    pub fn consent_roles(&self) -> Vec<String> {
        if !self.profile.consent_roles.is_empty() {
            return self.profile.consent_roles.clone();
        }
        let keys: Vec<PermissionKey> = self.listed().iter().filter_map(|one| one.key.parse().ok()).collect();
        consent_roles(&keys)
    }

    fn feature(&self, name: &str) -> Result<&Feature, CatalogError> {
        self.list.features.get(name).ok_or_else(|| CatalogError::NoSuchFeature {
            slug: self.slug.clone(),
            feature: name.to_owned(),
            available: available(name, self.list.features.keys()),
        })
    }

    /// One key of each alternative that counts.
    fn chosen(&self, selection: &Selection) -> Result<Vec<&String>, CatalogError> {
        let counts = |one: &&Alternative| one.feature.as_ref().is_none_or(|name| selection.features.contains(name));
        let counting: Vec<_> = self.list.alternatives.iter().filter(counts).collect();
        for (name, choice) in &selection.choose {
            let Some(alternative) = counting.iter().find(|one| one.name == *name) else {
                let off = self.list.alternatives.iter().find(|one| one.name == *name);
                return Err(CatalogError::NoSuchAlternative {
                    slug: self.slug.clone(),
                    name: name.clone(),
                    why: match off.and_then(|one| one.feature.as_ref()) {
                        Some(feature) => format!("it counts only with the feature \"{feature}\"."),
                        None => available(name, self.list.alternatives.iter().map(|one| &one.name)),
                    },
                });
            };
            if !alternative.one_of.iter().any(|one| one.eq_ignore_ascii_case(choice)) {
                return Err(CatalogError::NoSuchChoice {
                    name: name.clone(),
                    choice: choice.clone(),
                    available: alternative.one_of.join(", "),
                });
            }
        }
        let key = |one: &&'_ Alternative| -> Option<usize> {
            let wanted = selection.choose.get(&one.name)?;
            one.one_of.iter().position(|key| key.eq_ignore_ascii_case(wanted))
        };
        Ok(counting.iter().filter_map(|one| one.one_of.get(key(one).unwrap_or_default())).collect())
    }

    /// Puts what the cloud has instead in place.
    fn translate(&self, permissions: &mut BTreeSet<PermissionKey>, selection: &Selection) -> Result<(), CatalogError> {
        let Some((name, cloud)) = selection.cloud.as_ref().and_then(|name| Some((name, self.cloud(name)?))) else {
            return Ok(());
        };
        let missing = cloud.without.iter().find(|feature| selection.features.contains(*feature));
        if !cloud.supported || missing.is_some() {
            return Err(CatalogError::NotInCloud {
                slug: self.slug.clone(),
                feature: missing.cloned(),
                cloud: name.clone(),
                detail: cloud.detail.clone().unwrap_or_default(),
            });
        }
        for (from, to) in &cloud.replace {
            if let (Ok(from), Ok(to)) = (from.parse(), to.parse())
                && permissions.remove(&from)
            {
                permissions.insert(to);
            }
        }
        Ok(())
    }
}

fn available<'a>(name: &str, all: impl Iterator<Item = &'a String> + Clone) -> String {
    let names = all.clone().cloned().collect::<Vec<_>>();
    match names.is_empty() {
        true => "it has none.".to_owned(),
        false => {
            let nearest = nearest(name, all.map(String::as_str));
            format!("it has {}.{}", names.join(", "), did_you_mean(&nearest))
        }
    }
}
