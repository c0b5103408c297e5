//! What the permission set and the consent share: permission keys as users write them, and how they are resolved.

use crate::catalog::{Catalog, Kind, LookupError, PermissionKey};
use crate::framework::{Diagnostic, Diagnostics, Path, Result, Step};
use crate::provider::config::is_guid;
use std::collections::{BTreeMap, BTreeSet};

/// Keys in another spelling, by their canonical form: what the user wrote is read back as written.
pub(crate) type Spellings = BTreeMap<PermissionKey, String>;

/// Parses `text` and gives its canonical form. Checks the name where the catalogue knows the API. The error has no path.
pub(crate) fn resolve(text: &str, catalog: &Catalog) -> std::result::Result<PermissionKey, Diagnostic> {
    let key: PermissionKey = text
        .parse()
        .map_err(|why| Diagnostic::error(format!("\"{text}\" is no permission key")).help(format!("{why}")))?;
    check(&key, catalog)?;
    Ok(catalog.canonical(&key))
}

/// Whether the catalogue's API has the permission. APIs outside the catalogue are given by their client id and are not checked here.
pub(crate) fn check(key: &PermissionKey, catalog: &Catalog) -> std::result::Result<(), Diagnostic> {
    let Some(api) = catalog.api(&key.api) else {
        if is_guid(&key.api) {
            return Ok(());
        }
        return Err(Diagnostic::error(format!("There is no API \"{}\"", key.api))
            .help(LookupError::no_such_api(catalog, &key.api).to_string()));
    };
    if is_guid(&key.value) {
        return Ok(());
    }
    match catalog.find(api, key.kind, &key.value) {
        Ok(_) => Ok(()),
        Err(why) => Err(Diagnostic::error(format!("{} has no {} permission \"{}\"", api.key, key.kind, key.value))
            .help(why.to_string())),
    }
}

/// All keys of a configured set, each in canonical form with the spelling that the user chose; all faults at once.
pub(crate) fn resolve_all<'a>(
    texts: impl IntoIterator<Item = &'a String>,
    at: &str,
    catalog: &Catalog,
) -> Result<Spellings> {
    let (mut keys, mut found) = (Spellings::new(), Diagnostics::default());
    for text in texts {
        match resolve(text, catalog) {
            Ok(key) => {
                keys.insert(key, text.clone());
            }
            Err(why) => found.push(why.at(at)),
        }
    }
    found.into_result().map(|()| keys)
}

/// The same of `apis`, whose names come without API and kind. Each fault is at the API's entry: the CLIs find the source line of an
/// attribute or of its element, but of nothing below that.
pub(crate) fn resolve_apis(
    apis: &BTreeMap<String, super::connector_permission_set::ApiPermissions>,
    catalog: &Catalog,
) -> Result<BTreeSet<PermissionKey>> {
    let (mut keys, mut found) = (BTreeSet::new(), Diagnostics::default());
    for (api, permissions) in apis {
        let at = Path::attribute("apis").then(Step::Key(api.clone()));
        for (kind, names) in [(Kind::Application, &permissions.application), (Kind::Delegated, &permissions.delegated)]
        {
            for name in names {
                let key = PermissionKey { api: api.clone(), kind, value: name.clone() };
                match check(&key, catalog) {
                    Ok(()) => {
                        keys.insert(catalog.canonical(&key));
                    }
                    Err(why) => found.push(why.at(at.clone())),
                }
            }
        }
    }
    found.into_result().map(|()| keys)
}

/// Keys as a list for people.
pub(crate) fn listed<'a>(keys: impl IntoIterator<Item = &'a PermissionKey>) -> String {
    keys.into_iter().map(|key| format!("  - {key}")).collect::<Vec<_>>().join("\n")
}

/// Keys as they stand in a state.
pub(crate) fn texts<'a>(keys: impl IntoIterator<Item = &'a PermissionKey>) -> BTreeSet<String> {
    keys.into_iter().map(ToString::to_string).collect()
}
