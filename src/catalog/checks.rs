//! What has to hold of profiles beyond their form: names that exist, versions in order, nothing redefined.

use super::permissions::{Api, LookupError, Permission, lower_guid};
use super::profiles::{OwnApi, Profile, ProfilePermission};
use super::{Catalog, CatalogError, PermissionKey};
use std::collections::{BTreeMap, BTreeSet};

impl From<&OwnApi> for Api {
    fn from(own: &OwnApi) -> Self {
        let permissions = own.permissions.iter().map(|one| Permission {
            value: one.value.clone(),
            kind: one.kind,
            id: one.id.to_lowercase(),
            admin_consent_required: one.admin_consent_required,
            enabled: true,
            user_role: false,
            hidden: false,
            deprecated: false,
        });
        Self {
            key: own.key.clone(),
            app_id: own.app_id.to_lowercase(),
            display_name: own.display_name.clone(),
            identifier_uris: Vec::new(),
            brought_by: None,
            retired: false,
            permissions: permissions.collect(),
        }
    }
}

/// Everything wrong with `profiles`, each with the file that it is from. `catalog` knows all of them and their APIs.
pub(super) fn check(profiles: &[(String, Profile)], catalog: &Catalog) -> Vec<CatalogError> {
    let mut found = Vec::new();
    for (file, profile) in profiles {
        let mut say = |why: String| found.push(CatalogError::Invalid { file: file.clone(), why });
        faults(profile, catalog).into_iter().for_each(&mut say);
    }
    found
}

fn faults(profile: &Profile, catalog: &Catalog) -> Vec<String> {
    let mut found = Vec::new();
    let slug_is_fine = profile.slug.chars().all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-');
    if profile.slug.is_empty() || !slug_is_fine {
        found.push(format!("the slug \"{}\" may only have lower case letters, digits and dashes", profile.slug));
    }
    for api in &profile.apis {
        api_faults(api, &mut found);
    }
    let mut versions = BTreeSet::new();
    for older in &profile.versions {
        if older.version >= profile.version || !versions.insert(older.version) {
            found.push(format!(
                "older versions have numbers of their own below {}; {} is not one",
                profile.version, older.version
            ));
        }
    }
    let lists = profile.versions.iter().map(|older| (&older.permissions, &older.features));
    for (permissions, features) in lists.chain([(&profile.permissions, &profile.features)]) {
        if permissions.is_empty() {
            found.push("it lists no permission".to_owned());
        }
        for one in permissions {
            permission_faults(one, catalog, &mut found);
            for feature in one.features.iter().filter(|feature| !features.contains_key(*feature)) {
                found.push(format!("{} is of the feature \"{feature}\", which is not defined", one.value));
            }
            if one.optional && !one.features.is_empty() {
                found.push(format!("{} is optional and of a feature: it can be only one of both", one.value));
            }
        }
        for (name, feature) in features {
            if !permissions.iter().any(|one| one.features.contains(name)) && feature.own_app.is_none() {
                found.push(format!("the feature \"{name}\" brings neither a permission nor an application"));
            }
            if let Some(slug) = feature.own_app.as_ref().filter(|slug| !catalog.profiles().contains_key(*slug)) {
                found.push(format!("the feature \"{name}\" names the profile \"{slug}\", which does not exist"));
            }
        }
    }
    for needed in profile.prerequisites.iter().flat_map(|one| &one.needed_by) {
        match needed.parse::<PermissionKey>() {
            Err(why) => found.push(format!("\"{needed}\" of `needed_by`: {why}")),
            Ok(key) => {
                let listed =
                    |one: &ProfilePermission| (&one.api, one.kind, &one.value) == (&key.api, key.kind, &key.value);
                if !profile.permissions.iter().any(listed) {
                    found.push(format!("{needed} of `needed_by` is none of its permissions"));
                }
            }
        }
    }
    found
}

fn api_faults(api: &OwnApi, found: &mut Vec<String>) {
    let is_guid = |text: &str| text.len() == 36 && uuid::Uuid::try_parse(text).is_ok();
    let mut letters = api.key.chars();
    let starts_well = letters.next().is_some_and(|one| one.is_ascii_lowercase());
    if !starts_well || !letters.all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_') {
        found.push(format!("the API's key \"{}\" may only have lower case letters, digits and underscores", api.key));
    }
    for (what, id) in [(api.key.as_str(), api.app_id.as_str())]
        .into_iter()
        .chain(api.permissions.iter().map(|one| (one.value.as_str(), one.id.as_str())))
    {
        if !is_guid(id) {
            found.push(format!("\"{id}\" of {what} is not a GUID"));
        }
    }
    let mut ids = BTreeMap::new();
    for one in &api.permissions {
        if let Some(other) = ids.insert((one.kind, lower_guid(&one.id)), &one.value) {
            found.push(format!("{other} and {} of {} have the same id", one.value, api.key));
        }
    }
}

fn permission_faults(one: &ProfilePermission, catalog: &Catalog, found: &mut Vec<String>) {
    match catalog.api(&one.api) {
        None => found.push(LookupError::no_such_api(catalog, &one.api).to_string()),
        Some(api) => {
            if let Err(why) = catalog.find(api, one.kind, &one.value) {
                found.push(why.to_string());
            }
        }
    }
}
