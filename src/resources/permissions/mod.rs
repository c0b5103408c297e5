//! What the permission set and the consent share: permissions by meaning, how they are spelled, and what is said of them.

mod checks;

pub(crate) use crate::provider::permissions::{Names, PermissionId};
pub(crate) use checks::{Named, look_up, named, report};

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

/// Plans what was there before where only spellings differ: `meant` gives the meaning, `None` of what has none.
pub(crate) fn keep_spelling<T: Clone, M: PartialEq>(now: &mut T, before: &T, meant: impl Fn(&T) -> Option<M>) {
    if let (Some(one), Some(other)) = (meant(now), meant(before))
        && one == other
    {
        *now = before.clone();
    }
}

/// The same for what is said of permissions by their keys.
pub(crate) fn keep_spelling_of_keys<T: Clone + PartialEq>(
    now: &mut Option<BTreeMap<String, T>>,
    before: &Option<BTreeMap<String, T>>,
    names: &Names<'_>,
) {
    keep_spelling(now, before, |said| {
        let each = said.as_ref()?.iter().map(|(text, one)| Some((names.id(&text.parse().ok()?), one.clone())));
        each.collect::<Option<Vec<_>>>().map(|mut all| {
            all.sort_by(|(one, _), (other, _)| one.cmp(other));
            all
        })
    });
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
