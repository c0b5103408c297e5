//! What the permission set and the consent share: permission keys as users write them, and how they are resolved.

use super::connector_permission_set::ApiPermissions;
use crate::catalog::{Kind, LookupError, PermissionKey};
use crate::framework::{Diagnostic, Diagnostics, Path, Result, Step, is_guid};
use crate::provider::Cx;
use std::collections::{BTreeMap, BTreeSet};

/// Keys in another spelling, by their canonical form: what the user wrote is read back as written.
pub(crate) type Spellings = BTreeMap<PermissionKey, String>;

/// Parses `text` and gives its canonical form. Checks the name where the catalogue knows the API. The error has no path.
pub(crate) fn resolve(text: &str, cx: &Cx) -> std::result::Result<PermissionKey, Diagnostic> {
    let key: PermissionKey = text
        .parse()
        .map_err(|why| Diagnostic::error(format!("\"{text}\" is no permission key")).help(format!("{why}")))?;
    check(&key, cx)?;
    Ok(cx.catalog().canonical(&key))
}

/// Whether the catalogue's API has the permission. APIs outside the catalogue are given by their client id and are not checked here,
/// nor are short names while `catalog_paths`, which may bring them, are not known.
fn check(key: &PermissionKey, cx: &Cx) -> std::result::Result<(), Diagnostic> {
    let catalog = cx.catalog();
    let Some(api) = catalog.api(&key.api) else {
        if is_guid(&key.api) || !cx.catalog_is_complete() {
            return Ok(());
        }
        return Err(Diagnostic::error(format!("There is no API \"{}\"", key.api))
            .help(LookupError::no_such_api(catalog, &key.api).to_string()));
    };
    if is_guid(&key.value) {
        return Ok(());
    }
    match catalog.find(api, key.kind, &key.value) {
        Ok(permission) if !permission.enabled => {
            Err(Diagnostic::error(format!("{} cannot be granted at present", catalog.canonical(key)))
                .help("Microsoft has switched the permission off in its API."))
        }
        Ok(_) => Ok(()),
        Err(why) => Err(Diagnostic::error(format!("{} has no {} permission \"{}\"", api.key, key.kind, key.value))
            .help(why.advice())),
    }
}

/// All keys of a configured set, each in canonical form with the spelling that the user chose; all faults at once.
pub(crate) fn resolve_all<'a>(texts: impl IntoIterator<Item = &'a String>, at: &str, cx: &Cx) -> Result<Spellings> {
    let (mut keys, mut found) = (Spellings::new(), Diagnostics::default());
    for text in texts {
        match resolve(text, cx) {
            Ok(key) => {
                keys.insert(key, text.clone());
            }
            Err(why) => found.push(why.at(at)),
        }
    }
    found.into_result().map(|()| keys)
}

/// Keys that we stored ourselves. One that this version of the provider no longer reads is left out: it cannot be in the tenant
/// under a canonical name, and a refresh must not fail on it.
pub(crate) fn stored<'a>(texts: impl IntoIterator<Item = &'a String>, cx: &Cx) -> Spellings {
    let key = |text: &'a String| Some((cx.catalog().canonical(&text.parse().ok()?), text.clone()));
    texts.into_iter().filter_map(key).collect()
}

/// The same of `apis`, whose names come without API and kind. Each fault is at the API's entry: the CLIs find the source line of an
/// attribute or of its element, but of nothing below that.
pub(crate) fn resolve_apis(apis: &BTreeMap<String, ApiPermissions>, cx: &Cx) -> Result<BTreeSet<PermissionKey>> {
    let (mut keys, mut found) = (BTreeSet::new(), Diagnostics::default());
    for (api, permissions) in apis {
        let at = Path::attribute("apis").then(Step::Key(api.clone()));
        for (kind, names) in [(Kind::Application, &permissions.application), (Kind::Delegated, &permissions.delegated)]
        {
            for name in names {
                let key = PermissionKey { api: api.clone(), kind, value: name.clone() };
                match check(&key, cx) {
                    Ok(()) => {
                        keys.insert(cx.catalog().canonical(&key));
                    }
                    Err(why) => found.push(why.at(at.clone())),
                }
            }
        }
    }
    found.into_result().map(|()| keys)
}

/// Warns of permissions of `apis` that should not be asked for any more, or that another one of `all` includes.
pub(crate) fn warn_of_doubtful(apis: &BTreeMap<String, ApiPermissions>, all: &BTreeSet<PermissionKey>, cx: &Cx) {
    for (named, permissions) in apis {
        let Some(api) = cx.catalog().api(named) else { continue };
        let at = Path::attribute("apis").then(Step::Key(named.clone()));
        let warn = |summary: String, why: &str| cx.warn(Diagnostic::warning(summary).at(at.clone()).help(why));
        if api.retired {
            warn(
                format!("{} is retired", api.display_name),
                "Microsoft has announced the end of this API; Microsoft Graph takes its place.",
            );
        }
        for (kind, names) in [(Kind::Application, &permissions.application), (Kind::Delegated, &permissions.delegated)]
        {
            for permission in names.iter().filter_map(|name| api.find(kind, name).ok()) {
                let key = api.key_of(permission);
                if permission.deprecated {
                    warn(
                        format!("{key} is retired"),
                        "Microsoft marks the permission as deprecated: check what takes its place.",
                    );
                }
                if permission.hidden {
                    warn(
                        format!("{key} is hidden"),
                        "Microsoft does not offer the permission in its portals; it may change or go without notice.",
                    );
                }
                if let Some(wider) = all.iter().find(|other| includes(other, &key)) {
                    warn(
                        format!("{key} is included in {wider}"),
                        "The application can do without it: leave out the narrower one, or the wider one.",
                    );
                }
            }
        }
    }
}

/// Whether `wider` allows all that `key` does. Source: Microsoft's naming of permissions, `{resource}.{operation}.{constraint}`, where
/// `ReadBasic` is part of `Read`, and `Read` of `ReadWrite`, for one resource and constraint.
fn includes(wider: &PermissionKey, key: &PermissionKey) -> bool {
    fn parts(value: &str) -> Option<(&str, usize, &str)> {
        let (rest, constraint) = value.rsplit_once('.')?;
        let (resource, operation) = rest.rsplit_once('.')?;
        let rank = ["ReadBasic", "Read", "ReadWrite"].iter().position(|one| *one == operation)?;
        Some((resource, rank, constraint))
    }
    let (Some(a), Some(b)) = (parts(&wider.value), parts(&key.value)) else { return false };
    (&wider.api, wider.kind, a.0, a.2) == (&key.api, key.kind, b.0, b.2) && a.1 > b.1
}

/// Keys as a list for people.
pub(crate) fn listed<T: std::fmt::Display>(keys: impl IntoIterator<Item = T>) -> String {
    keys.into_iter().map(|key| format!("  - {key}")).collect::<Vec<_>>().join("\n")
}

/// Keys as they stand in a state.
pub(crate) fn texts<'a>(keys: impl IntoIterator<Item = &'a PermissionKey>) -> BTreeSet<String> {
    keys.into_iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> PermissionKey {
        text.parse().unwrap()
    }

    #[test]
    fn reading_is_part_of_writing_the_same_and_of_nothing_else() {
        let read = key("microsoft_graph/application/User.Read.All");
        assert!(includes(&key("microsoft_graph/application/User.ReadWrite.All"), &read));
        assert!(includes(&read, &key("microsoft_graph/application/User.ReadBasic.All")));
        for other in [
            "microsoft_graph/delegated/User.ReadWrite.All",
            "windows_defender_atp/application/User.ReadWrite.All",
            "microsoft_graph/application/Group.ReadWrite.All",
            "microsoft_graph/application/User.Read.All",
            "microsoft_graph/application/User.ReadBasic.All",
        ] {
            assert!(!includes(&key(other), &read), "{other}");
        }
    }
}
