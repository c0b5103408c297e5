//! `catalog show`: a profile as a page that a person likes to read, or an API, a permission, a directory role.

use super::hcl::hcl;
use super::{Output, text};
use crate::catalog::{
    Api, Catalog, Kind, Listed, LookupError, Need, PermissionKey, ProfileVersion, ROLE_KEY, Rating, directory_role,
    role_rating,
};
use anyhow::{Result, bail};
use serde_json::json;
use std::fmt::Write;

pub(super) fn run(catalog: &Catalog, name: &str, output: &Output) -> Result<()> {
    if let Some(role) = name.strip_prefix(ROLE_KEY) {
        return show_role(role, output);
    }
    if let Ok(key) = name.parse::<PermissionKey>() {
        return show_permission(catalog, &key, output);
    }
    if let Some(api) = catalog.api(name) {
        return show_api(catalog, api, output);
    }
    match catalog.profile(name) {
        Ok(profile) => output.write(|width| page(catalog, &profile, width), || object(catalog, &profile)),
        Err(why) => bail!("{why} There is no API of that name either; `catalog list` shows all profiles."),
    }
}

/// Names of the directory roles that the profile may ask for.
pub(in crate::cli) fn roles(profile: &ProfileVersion) -> Vec<String> {
    let listed = profile.listed().into_iter();
    listed.filter_map(|one| one.key.strip_prefix(ROLE_KEY).map(str::to_owned)).collect()
}

/// The rating of a permission key beside these directory roles, or of the key of a directory role.
pub(in crate::cli) fn rating(catalog: &Catalog, roles: &[String], key: &str) -> Rating {
    match (key.strip_prefix(ROLE_KEY), key.parse()) {
        (None, Ok(key)) => catalog.rating_with_roles(&key, roles.iter().map(String::as_str)),
        (role, _) => role_rating(role.unwrap_or(key)),
    }
}

fn object(catalog: &Catalog, profile: &ProfileVersion) -> serde_json::Value {
    let mut all = serde_json::to_value(&profile.profile).unwrap_or_default();
    let (listed, has) = (profile.listed(), roles(profile));
    let (roles, permissions): (Vec<_>, Vec<_>) = listed.iter().partition(|one| one.key.starts_with(ROLE_KEY));
    let entry = |one: &&Listed| {
        let rating = rating(catalog, &has, &one.key);
        json!({ "key": one.key, "risk": rating.risk, "why": rating.why, "need": one.need.to_string(), "features": one.features })
    };
    all["version"] = profile.version.into();
    all["permissions"] = permissions.iter().map(entry).collect();
    all["directory_roles"] = roles.iter().map(entry).collect();
    all["consent_roles"] = profile.consent_roles().into();
    for name in ["prerequisites", "discrepancies", "outputs"] {
        if all.get(name).is_none() {
            all[name] = json!([]);
        }
    }
    all
}

fn page(catalog: &Catalog, one: &ProfileVersion, width: usize) -> String {
    let profile = &one.profile;
    let mut out = format!("{}: {}\n{}@{}\n\n", profile.vendor, profile.title, one.slug, one.version);
    if let Some(about) = &profile.about {
        out += &text::wrapped("", about, width);
        out.push('\n');
    }
    let source = &profile.source;
    let read = source.read_on.map(|day| format!(", read on {day}")).unwrap_or_default();
    let seen = if source.complete { "" } else { "; the list was not seen whole" };
    out += &text::wrapped("Source        ", &format!("{source}{read}{seen}"), width);
    out += &text::wrapped("Kind          ", super::list::kind(profile.kind), width);
    out += &text::wrapped("Consent by    ", &one.consent_roles().join(" or "), width);
    if !profile.outputs.is_empty() {
        out += &text::wrapped("To hand over  ", &profile.outputs.join(", "), width);
    }
    let has = roles(one);
    for (heading, listed) in parts(one) {
        section(&mut out, &heading);
        out += &text::columns(&listed.iter().map(|listed| row(catalog, &has, listed)).collect::<Vec<_>>(), width);
    }
    if !profile.forbidden.is_empty() {
        section(&mut out, "Must not have");
        profile.forbidden.iter().for_each(|pattern| out += &text::wrapped("", pattern, width));
    }
    if !profile.prerequisites.is_empty() {
        section(&mut out, "What has to be there");
        for one in &profile.prerequisites {
            out += &text::wrapped("- ", &format!("{} ({}): {}", one.name, one.kind, one.detail), width);
        }
    }
    if !profile.discrepancies.is_empty() {
        section(&mut out, "What is wrong in the document");
        for one in &profile.discrepancies {
            out += &text::wrapped("- ", &format!("{}: {} {}", one.kind, one.text, one.resolution), width);
        }
    }
    section(&mut out, "Configuration");
    out += &hcl(one);
    out
}

fn section(out: &mut String, heading: &str) {
    write!(out, "\n{heading}\n{}\n", "─".repeat(heading.chars().count())).ok();
}

/// What is asked for, by why it is.
pub(in crate::cli) fn parts(one: &ProfileVersion) -> Vec<(String, Vec<Listed>)> {
    let listed = one.listed();
    let of = |need: Need| listed.iter().filter(|one| one.need == need).cloned().collect::<Vec<_>>();
    let mut all = vec![("Always".to_owned(), of(Need::Required))];
    for (name, feature) in one.features() {
        let with = listed.iter().filter(|one| one.need == Need::Feature && one.features.contains(name));
        all.push((format!("With the feature {name}: {}", feature.title), with.cloned().collect()));
    }
    for alternative in one.alternatives() {
        let choices = alternative.one_of.iter().filter_map(|key| listed.iter().find(|one| one.key == *key));
        let with = alternative.feature.as_ref().map(|name| format!(", with the feature {name}")).unwrap_or_default();
        all.push((
            format!("One of these ({}{with}): {}", alternative.name, alternative.title),
            choices.cloned().collect(),
        ));
    }
    all.push(("Optional".to_owned(), of(Need::Optional)));
    all.retain(|(_, listed)| !listed.is_empty());
    all
}

fn row(catalog: &Catalog, has: &[String], listed: &Listed) -> Vec<String> {
    let rating = rating(catalog, has, &listed.key);
    vec![
        rating.risk.to_string(),
        listed.key.clone(),
        rating.why.map(|why| format!("its holder {why}")).unwrap_or_default(),
    ]
}

fn show_api(catalog: &Catalog, api: &Api, output: &Output) -> Result<()> {
    let of = |kind: Kind| api.permissions().filter(move |one| one.kind == kind);
    output.write(
        |width| {
            let rows: Vec<_> = [Kind::Application, Kind::Delegated].into_iter().flat_map(of).map(|one| {
                let key = api.key_of(one);
                vec![one.id.clone(), catalog.rating(&key).risk.to_string(), key.to_string()]
            }).collect();
            format!("{} ({})\n\n{}", api.display_name, api.app_id, text::columns(&rows, width))
        },
        || {
            let permissions = [Kind::Application, Kind::Delegated].into_iter().flat_map(of).map(|one| {
                let key = api.key_of(one);
                let rating = catalog.rating(&key);
                json!({ "key": key.to_string(), "id": one.id, "risk": rating.risk, "why": rating.why })
            });
            json!({ "api": api.key, "app_id": api.app_id, "display_name": api.display_name, "permissions": permissions.collect::<Vec<_>>() })
        },
    )
}

fn show_permission(catalog: &Catalog, key: &PermissionKey, output: &Output) -> Result<()> {
    let Some(api) = catalog.api(&key.api) else { bail!("{}", LookupError::no_such_api(catalog, &key.api)) };
    let permission = catalog.find(api, key.kind, &key.value)?;
    let key = api.key_of(permission);
    let rating = catalog.rating(&key);
    let wider: Vec<_> = catalog.implied_by(&key).iter().map(ToString::to_string).collect();
    let asked = asked_by(catalog, &key);
    output.write(
        |width| {
            let mut out = format!("{key}\n\n");
            out += &text::wrapped("Id         ", &permission.id, width);
            out += &text::wrapped("Risk       ", &rating.risk.to_string(), width);
            if let Some(why) = &rating.why {
                out += &text::wrapped("           ", &format!("its holder {why}"), width);
            }
            out += &text::wrapped("Rests on   ", &rating.basis, width);
            if !wider.is_empty() {
                out += &text::wrapped("Part of    ", &wider.join(", "), width);
            }
            if !asked.is_empty() {
                out += &text::wrapped("Asked for  ", &asked.join(", "), width);
            }
            out
        },
        || {
            json!({
                "key": key.to_string(), "id": permission.id, "risk": rating.risk, "why": rating.why, "basis": rating.basis,
                "implied_by": wider, "asked_by": asked,
            })
        },
    )
}

/// Slugs of the profiles that may ask for it.
pub(in crate::cli) fn asked_by(catalog: &Catalog, key: &PermissionKey) -> Vec<String> {
    let asks = |version: &ProfileVersion| {
        version.listed().iter().any(|one| one.key.parse().is_ok_and(|listed| catalog.canonical(&listed) == *key))
    };
    let mut slugs: Vec<_> =
        catalog.slugs().filter(|slug| catalog.profile(slug).is_ok_and(|version| asks(&version))).collect();
    slugs.sort_unstable();
    slugs.into_iter().map(str::to_owned).collect()
}

fn show_role(named: &str, output: &Output) -> Result<()> {
    let role = directory_role(named)?;
    let rating = role.rating();
    output.write(
        |width| {
            let mut out = format!("{ROLE_KEY}{}\n\n", role.name);
            out += &text::wrapped("Id         ", &role.id, width);
            out += &text::wrapped("Risk       ", &rating.risk.to_string(), width);
            out += &text::wrapped("Rests on   ", &rating.basis, width);
            if !role.former.is_empty() {
                out += &text::wrapped("Formerly   ", &role.former.join(", "), width);
            }
            out
        },
        || json!({ "key": format!("{ROLE_KEY}{}", role.name), "id": role.id, "risk": rating.risk, "why": rating.why, "basis": rating.basis, "former_names": role.former }),
    )
}
