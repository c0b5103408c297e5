//! Profile files of the form before version 0.2, where each permission was a table: what they are in the present form.

use super::format::{Lists, Names};
use crate::catalog::permissions::Kind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Only what the two forms write differently; the rest stays.
#[derive(Deserialize)]
struct Old {
    source: Option<toml::Value>,
    app: Option<toml::Table>,
    permissions: Option<Vec<OldPermission>>,
    #[serde(default)]
    features: BTreeMap<String, toml::Table>,
    #[serde(default)]
    versions: Vec<OldVersion>,
    #[serde(flatten)]
    rest: toml::Table,
}

#[derive(Deserialize)]
struct OldVersion {
    version: u32,
    permissions: Vec<OldPermission>,
    #[serde(default)]
    features: BTreeMap<String, toml::Table>,
}

#[derive(Deserialize)]
struct OldPermission {
    api: String,
    kind: Kind,
    value: String,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    features: Vec<String>,
}

#[derive(Serialize)]
struct New {
    #[serde(flatten)]
    rest: toml::Table,
    source: toml::Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<toml::Table>,
    #[serde(flatten)]
    list: NewList,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    versions: Vec<NewVersion>,
}

#[derive(Serialize)]
struct NewVersion {
    version: u32,
    #[serde(flatten)]
    list: NewList,
}

#[derive(Serialize)]
struct NewList {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    permissions: Lists,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    optional: Lists,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    features: BTreeMap<String, NewFeature>,
}

#[derive(Serialize, Default)]
struct NewFeature {
    #[serde(flatten)]
    rest: toml::Table,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    permissions: Lists,
}

/// The text in the present form; `None` where it is not of the old one.
pub(super) fn rewritten(text: &str) -> Option<String> {
    let old: Old = toml::from_str(text).ok()?;
    let source = match old.source? {
        toml::Value::String(title) => toml::Value::Table([("title".to_owned(), title.into())].into_iter().collect()),
        _ if old.permissions.is_none() => return None,
        other => other,
    };
    let app = old.app.map(|mut app| {
        if app.remove("credential").is_some() {
            app.insert("credentials".to_owned(), vec!["secret"].into());
        }
        app
    });
    let versions = old
        .versions
        .into_iter()
        .map(|one| NewVersion { version: one.version, list: NewList::new(one.permissions, one.features) });
    let new = New {
        rest: old.rest,
        source,
        app,
        list: NewList::new(old.permissions.unwrap_or_default(), old.features),
        versions: versions.collect(),
    };
    toml::to_string_pretty(&new).ok()
}

impl NewList {
    fn new(permissions: Vec<OldPermission>, features: BTreeMap<String, toml::Table>) -> Self {
        let feature = |(name, rest)| (name, NewFeature { rest, ..NewFeature::default() });
        let features = features.into_iter().map(feature).collect();
        let mut new = Self { permissions: Lists::new(), optional: Lists::new(), features };
        for one in permissions {
            if one.features.is_empty() {
                add(if one.optional { &mut new.optional } else { &mut new.permissions }, &one);
            }
            for feature in &one.features {
                add(&mut new.features.entry(feature.clone()).or_default().permissions, &one);
            }
        }
        new
    }
}

fn add(lists: &mut Lists, one: &OldPermission) {
    let names: &mut Names = lists.entry(one.api.clone()).or_default();
    match one.kind {
        Kind::Application => names.application.push(one.value.clone()),
        Kind::Delegated => names.delegated.push(one.value.clone()),
    }
}

/// What to do with a file of the old form.
pub(super) fn advice(new: &str) -> String {
    format!(
        "the file is in the form of earlier versions: permissions are lists by API now, and `[source]` and `[app] credentials` say \
         more. Write:\n\n{new}"
    )
}
