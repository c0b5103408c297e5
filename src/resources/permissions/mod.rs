//! What the permission set and the consent share: permissions by meaning, how they are spelled, and what is said of them.

mod checks;
mod names;

pub(crate) use checks::{DEFAULT_ROLE, Named, look_up, named, report};
pub(crate) use names::{Names, PermissionId};

pub(crate) use super::ownership::{Declared, listed};
use crate::catalog::{Kind, PermissionKey};
use crate::framework::{Diagnostic, Path, Step};
use crate::provider::Cx;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Permissions of one API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApiPermissions {
    /// Names (or ids) of application permissions, for access without a signed-in user.
    #[serde(default)]
    pub application: BTreeSet<String>,
    /// Names (or ids) of delegated permissions, for access on behalf of a signed-in user.
    #[serde(default)]
    pub delegated: BTreeSet<String>,
}

/// The permissions that `apis` names. Findings are at the API's entry: the CLIs find the source line of an attribute or of its element,
/// but of nothing below that.
pub(crate) fn named_in(apis: &BTreeMap<String, ApiPermissions>) -> Vec<Named> {
    let mut all = Vec::new();
    for (api, permissions) in apis {
        let at = Path::attribute("apis").then(Step::Key(api.clone()));
        for (kind, names) in [(Kind::Application, &permissions.application), (Kind::Delegated, &permissions.delegated)]
        {
            let key = |name: &String| PermissionKey { api: api.clone(), kind, value: name.clone() };
            all.extend(names.iter().map(|name| Named { key: key(name), at: at.clone() }));
        }
    }
    all
}

/// Says which permissions a plan shows under another spelling than before: `-` and `+` of them change nothing.
pub(crate) fn warn_of_respelled(before: &Declared<PermissionId>, now: &Declared<PermissionId>, cx: &Cx) {
    let respelled = now.iter().filter_map(|(permission, spellings)| {
        let former = before.get(permission).filter(|former| *former != spellings)?;
        let list = |all: &BTreeSet<String>| all.iter().cloned().collect::<Vec<_>>().join(", ");
        Some(format!("{}, until now {}", list(spellings), list(former)))
    });
    let respelled: Vec<_> = respelled.collect();
    if !respelled.is_empty() {
        cx.warn(Diagnostic::warning("Some permissions are only spelled in another way").at("permissions").help(
            format!("The plan shows these as removed and added; nothing happens to them:\n{}", listed(respelled)),
        ));
    }
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
            for permission in names.iter().filter_map(|name| api.get(kind, name)) {
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
