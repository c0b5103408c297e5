//! Names of permissions: whether they exist, where else they do, and whether they can be asked for.

use super::{Entry, Finding, Sort, chosen, chosen_entries, entries, listings, matches, older_listings};
use crate::catalog::permissions::{Api, Kind, LookupError, Permission};
use crate::catalog::profiles::Profile;
use crate::catalog::{Catalog, did_you_mean};

pub(super) fn find(profile: &Profile, catalog: &Catalog) -> Vec<Finding> {
    let present = listings(profile);
    let mut all = entries(&present);
    let older = older_listings(profile);
    all.extend(entries(&older));
    let chosen = chosen(profile);
    all.extend(chosen_entries(&chosen));
    let forbidden = |entry: &Entry<'_>| {
        let pattern = profile.forbidden.iter().find(|pattern| matches(pattern, &entry.subject()))?;
        Some(entry.finding(
            Sort::FORBIDDEN,
            format!(
                "{} is forbidden by \"{pattern}\" of `forbidden`: it breaks the vendor's service.",
                entry.subject()
            ),
            Vec::new(),
        ))
    };
    all.iter().filter_map(|entry| look_up(entry, catalog).or_else(|| forbidden(entry))).collect()
}

fn look_up(entry: &Entry<'_>, catalog: &Catalog) -> Option<Finding> {
    let Some(api) = catalog.api(entry.api) else { return Some(no_such_api(entry, catalog)) };
    let Some(kind) = entry.kind else { return Some(unstated(entry, api)) };
    match catalog.find(api, kind, entry.value) {
        Ok(permission) if permission.value != entry.value && permission.value.eq_ignore_ascii_case(entry.value) => {
            Some(other_case(entry, api, permission))
        }
        Ok(permission) => doubtful(entry, api, permission),
        Err(why) => Some(unknown(entry, api, kind, &why)),
    }
}

/// The API may have been left out, or be another one: which ones have the name?
fn no_such_api(entry: &Entry<'_>, catalog: &Catalog) -> Finding {
    let kinds = entry.kind.map_or(vec![Kind::Application, Kind::Delegated], |kind| vec![kind]);
    let has =
        |key: &&str| catalog.api(key).is_some_and(|api| kinds.iter().any(|kind| api.find(*kind, entry.value).is_ok()));
    let having: Vec<_> = catalog.api_keys().filter(has).map(str::to_owned).collect();
    let error = LookupError::no_such_api(catalog, entry.api).to_string();
    let hint = match having.is_empty() {
        true => String::new(),
        false => format!(" {} exists in {}.", entry.value, having.join(", ")),
    };
    entry.finding(Sort::API, format!("{error}{hint}"), having)
}

fn unstated(entry: &Entry<'_>, api: &Api) -> Finding {
    let kinds: Vec<_> = [Kind::Application, Kind::Delegated]
        .into_iter()
        .filter(|kind| api.find(*kind, entry.value).is_ok())
        .map(|kind| kind.to_string())
        .collect();
    let message = match kinds.as_slice() {
        [] => format!(
            "The document does not say whether {} is meant as application or delegated, and {} has neither.",
            entry.value, api.key
        ),
        [one] => format!(
            "The document does not say which kind of {} is meant; {} has it as {one} only.",
            entry.value, api.key
        ),
        _ => format!(
            "The document does not say which kind of {} is meant; {} has both. A connector that signs in as itself needs `application`.",
            entry.value, api.key
        ),
    };
    entry.finding(Sort::KIND, message, kinds)
}

/// Resolved without regard to case, but not as the vendor would find it in a portal.
fn other_case(entry: &Entry<'_>, api: &Api, permission: &Permission) -> Finding {
    let message = format!("{} has \"{}\", in other capital letters.", api.key, permission.value);
    entry.finding(Sort::CASE, message, vec![permission.value.clone()])
}

fn unknown(entry: &Entry<'_>, api: &Api, kind: Kind, why: &LookupError) -> Finding {
    let names: Vec<_> = api.permissions().filter(|one| one.kind == kind).collect();
    let has = |name: &str| names.iter().any(|one| one.value == name);
    let pieces: Vec<_> = entry.value.split(|one: char| one.is_whitespace() || ",;&".contains(one)).collect();
    let parts: Vec<_> = pieces.iter().map(|one| one.trim_matches('.').to_owned()).filter(|one| has(one)).collect();
    let joined: String = entry.value.split_whitespace().collect();
    if pieces.len() > 1 && (!parts.is_empty() || has(&joined)) {
        let suggestions = if parts.is_empty() { vec![joined] } else { parts };
        let message = format!("\"{}\" is not one name.{}", entry.value, did_you_mean(&suggestions));
        return entry.finding(Sort::FORMATTING, message, suggestions);
    }
    if api.all().any(|one| one.user_role && one.value == entry.value) {
        let message =
            format!("\"{}\" of {} is a role for people, which no application can be given.", entry.value, api.key);
        return entry.finding(Sort::USER_ROLE, message, Vec::new());
    }
    let (sort, suggestions) = match why {
        LookupError::NoSuchPermission { other_kind: Some(other), .. } => {
            (Sort::KIND, vec![format!("{}/{other}/{}", api.key, entry.value)])
        }
        LookupError::NoSuchPermission { other_apis, .. } if !other_apis.is_empty() => {
            (Sort::API, other_apis.iter().map(|other| format!("{other}/{kind}/{}", entry.value)).collect())
        }
        LookupError::NoSuchPermission { nearest, .. } => (Sort::NAME, nearest.clone()),
        LookupError::Ambiguous { ids, .. } => (Sort::NAME, ids.clone()),
        LookupError::NoSuchApi { nearest, .. } => (Sort::API, nearest.clone()),
    };
    entry.finding(sort, why.to_string(), suggestions)
}

/// A permission that exists, but that nobody should build on.
fn doubtful(entry: &Entry<'_>, api: &Api, permission: &Permission) -> Option<Finding> {
    let key = api.key_of(permission);
    let (sort, message) = if !permission.enabled {
        (Sort::DISABLED, format!("{key} cannot be granted at present: Microsoft has switched it off."))
    } else if api.retired {
        (Sort::RETIRED, format!("{} is retired: Microsoft Graph takes its place.", api.display_name))
    } else if permission.deprecated {
        (Sort::RETIRED, format!("{key} is retired: Microsoft marks it as deprecated."))
    } else if permission.hidden {
        (Sort::HIDDEN, format!("{key} is hidden: Microsoft does not offer it in its portals."))
    } else if !permission.listed {
        (Sort::UNLISTED, format!("{key} is not in Microsoft's published list: it may change or go without notice."))
    } else {
        return None;
    };
    Some(entry.finding(sort, message, Vec::new()))
}
