//! What refers to something that is not there, or has a form that cannot be used.

use super::{Finding, Place, Sort};
use crate::catalog::permissions::{Api, Permission, lower_guid};
use crate::catalog::profiles::{Alternative, App, Feature, OwnApi, Profile, ProfileKind, ROLE_KEY};
use crate::catalog::{Catalog, PermissionKey};
use std::collections::{BTreeMap, BTreeSet};

/// Names of the clouds that a profile may speak of.
const CLOUDS: [&str; 3] = ["usgovernment", "usgovernmentdod", "china"];

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
            listed: true,
        });
        Self {
            key: own.key.clone(),
            app_id: own.app_id.to_lowercase(),
            display_name: own.display_name.clone(),
            brought_by: None,
            retired: false,
            permissions: permissions.collect(),
        }
    }
}

/// Collects findings about attributes.
struct Faults(Vec<Finding>);

impl Faults {
    fn say(&mut self, sort: Sort, place: &[&str], message: String) {
        let (subject, place) = (place.join("."), Place::at(place));
        self.0.push(Finding { sort, subject, message, suggestions: Vec::new(), place });
    }

    fn form(&mut self, place: &[&str], message: String) {
        self.say(Sort::FORM, place, message);
    }
}

pub(super) fn find(profile: &Profile, catalog: &Catalog) -> Vec<Finding> {
    let mut faults = Faults(Vec::new());
    if !is_name(&profile.slug) {
        let message = format!("the slug \"{}\" may only have lower case letters, digits, `-` and `_`", profile.slug);
        faults.form(&["slug"], message);
    }
    whose(profile, &mut faults);
    for (number, api) in profile.apis.iter().enumerate() {
        api_faults(api, number, &mut faults);
    }
    versions(profile, catalog, &mut faults);
    for (name, cloud) in &profile.clouds {
        let place = ["clouds", name.as_str()];
        if !CLOUDS.contains(&name.as_str()) {
            faults.form(&place, format!("there is no cloud \"{name}\"; there are {}", CLOUDS.join(", ")));
        }
        for feature in cloud.without.iter().filter(|feature| !profile.features.contains_key(*feature)) {
            faults.form(&place, format!("`without` names the feature \"{feature}\", which is not defined"));
        }
        for key in cloud.replace.iter().flat_map(|(from, to)| [from, to]) {
            if let Err(why) = key.parse::<PermissionKey>() {
                faults.form(&place, format!("\"{key}\" of `replace`: {why}"));
            }
        }
    }
    prerequisites(profile, &mut faults);
    faults.0
}

/// Own registration or vendor's application: what belongs to which.
fn whose(profile: &Profile, faults: &mut Faults) {
    let ids = [("client_id", &profile.client_id), ("publisher_tenant_id", &profile.publisher_tenant_id)];
    for (name, id) in ids.into_iter().filter_map(|(name, id)| Some((name, id.as_ref()?))) {
        if profile.kind == ProfileKind::OwnRegistration {
            faults.form(&[name], format!("`{name}` is of a vendor's application: set `kind = \"vendor_app\"`"));
        } else if !is_guid(id) {
            faults.form(&[name], format!("\"{id}\" is not a GUID"));
        }
    }
    if profile.kind == ProfileKind::VendorApp && profile.app != App::default() {
        faults.form(&["app"], "a vendor's application is not registered here: leave `[app]` out".to_owned());
    }
}

fn versions(profile: &Profile, catalog: &Catalog, faults: &mut Faults) {
    let mut numbers = BTreeSet::new();
    for (number, older) in profile.versions.iter().enumerate() {
        let number = number.to_string();
        if older.version >= profile.version || !numbers.insert(older.version) {
            let message = format!(
                "older versions have numbers of their own below {}; {} is not one",
                profile.version, older.version
            );
            faults.form(&["versions", &number], message);
        }
    }
    let all = std::iter::once((Vec::new(), profile.version)).chain(
        profile
            .versions
            .iter()
            .enumerate()
            .map(|(number, older)| (vec!["versions".to_owned(), number.to_string()], older.version)),
    );
    for (place, number) in all {
        let Ok(version) = profile.version(Some(&number.to_string())) else { continue };
        let at = |more: &[&str]| -> Vec<String> {
            place.iter().cloned().chain(more.iter().map(|one| (*one).to_owned())).collect()
        };
        let mut say = |sort: Sort, more: &[&str], message: String| {
            let place = at(more);
            faults.say(sort, &place.iter().map(String::as_str).collect::<Vec<_>>(), message);
        };
        let states_none = |lists: &crate::catalog::Lists| lists.values().all(|names| names.unstated.is_empty());
        if version.listed().is_empty() && states_none(&profile.permissions) {
            say(Sort::MISSING, &["permissions"], "it lists no permission".to_owned());
        }
        for (name, feature) in version.features() {
            feature_faults(name, feature, version.alternatives(), catalog, &mut say);
        }
        for (number, one) in version.alternatives().iter().enumerate() {
            alternative_faults(one, number, version.features(), &mut say);
        }
    }
}

fn feature_faults(
    name: &str,
    feature: &Feature,
    alternatives: &[Alternative],
    catalog: &Catalog,
    say: &mut impl FnMut(Sort, &[&str], String),
) {
    if !is_name(name) {
        say(
            Sort::FORM,
            &["features", name],
            format!("the feature's name \"{name}\" may only have lower case letters, digits, `-` and `_`"),
        );
    }
    let chooses = alternatives.iter().any(|one| one.feature.as_deref() == Some(name));
    if feature.permissions.is_empty() && feature.directory_roles.is_empty() && feature.own_app.is_none() && !chooses {
        say(
            Sort::FORM,
            &["features", name],
            format!("the feature \"{name}\" brings neither a permission nor a role nor an application"),
        );
    }
    if let Some(slug) = feature.own_app.as_ref().filter(|slug| !catalog.slugs().any(|known| known == *slug)) {
        let message = format!("the feature \"{name}\" names the profile \"{slug}\", which does not exist");
        say(Sort::FORM, &["features", name, "own_app"], message);
    }
}

fn alternative_faults(
    one: &Alternative,
    number: usize,
    features: &BTreeMap<String, Feature>,
    say: &mut impl FnMut(Sort, &[&str], String),
) {
    let number = number.to_string();
    let mut fault = |message: String| say(Sort::FORM, &["alternatives", &number], message);
    if !is_name(&one.name) {
        fault(format!("the alternative's name \"{}\" may only have lower case letters, digits, `-` and `_`", one.name));
    }
    if one.one_of.len() < 2 {
        fault(format!("the alternative \"{}\" leaves no choice: `one_of` needs two keys", one.name));
    }
    if let Some(feature) = one.feature.as_ref().filter(|feature| !features.contains_key(*feature)) {
        fault(format!("the alternative \"{}\" is of the feature \"{feature}\", which is not defined", one.name));
    }
    for key in one.one_of.iter().filter(|key| !key.starts_with(ROLE_KEY)) {
        if let Err(why) = key.parse::<PermissionKey>() {
            fault(format!("\"{key}\" of `one_of`: {why}"));
        }
    }
}

fn prerequisites(profile: &Profile, faults: &mut Faults) {
    let Ok(version) = profile.version(None) else { return };
    let listed: BTreeSet<_> = version.listed().into_iter().map(|one| one.key).collect();
    let mut names = BTreeSet::new();
    for (number, one) in profile.prerequisites.iter().enumerate() {
        let number = number.to_string();
        let place = ["prerequisites", number.as_str()];
        if !names.insert(&one.name) {
            faults.form(&place, format!("two prerequisites are called \"{}\"", one.name));
        }
        for needed in &one.needed_by {
            match needed.parse::<PermissionKey>() {
                Err(why) => faults.form(&place, format!("\"{needed}\" of `needed_by`: {why}")),
                Ok(_) if !listed.contains(needed) => {
                    faults.form(&place, format!("{needed} of `needed_by` is none of its permissions"));
                }
                Ok(_) => {}
            }
        }
    }
}

fn api_faults(api: &OwnApi, number: usize, faults: &mut Faults) {
    let number = number.to_string();
    let place = ["apis", number.as_str()];
    let mut letters = api.key.chars();
    let starts_well = letters.next().is_some_and(|one| one.is_ascii_lowercase());
    if !starts_well || !letters.all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_') {
        let message = format!("the API's key \"{}\" may only have lower case letters, digits and underscores", api.key);
        faults.form(&place, message);
    }
    let own = [(api.key.as_str(), api.app_id.as_str())].into_iter();
    for (what, id) in own.chain(api.permissions.iter().map(|one| (one.value.as_str(), one.id.as_str()))) {
        if !is_guid(id) {
            faults.form(&place, format!("\"{id}\" of {what} is not a GUID"));
        }
    }
    let mut ids = BTreeMap::new();
    for one in &api.permissions {
        if let Some(other) = ids.insert((one.kind, lower_guid(&one.id)), &one.value) {
            faults.form(&place, format!("{other} and {} of {} have the same id", one.value, api.key));
        }
    }
}

fn is_guid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

fn is_name(text: &str) -> bool {
    let fits = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-' || one == '_';
    !text.is_empty() && text.chars().all(fits)
}
