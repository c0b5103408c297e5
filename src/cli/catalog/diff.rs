//! `catalog diff`: what one version of a profile asks for and another one does not.

use super::{FOUND, Output, text};
use crate::catalog::{Catalog, Listed, ProfileVersion};
use anyhow::Result;
use serde_json::json;
use std::collections::BTreeMap;
use std::process::ExitCode;

pub(super) fn run(catalog: &Catalog, from: &str, to: &str, output: &Output) -> Result<ExitCode> {
    let (old, new) = (listed(&catalog.profile(from)?), listed(&catalog.profile(to)?));
    let changed: Vec<_> = changes(&old, &new);
    output.write(
        |width| match changed.is_empty() {
            true => format!("{from} and {to} ask for the same\n"),
            false => {
                let row = |(change, one): &(&str, &Listed)| {
                    let sign = match *change {
                        "add" => "+",
                        "remove" => "-",
                        _ => "~",
                    };
                    vec![sign.to_owned(), one.key.clone(), need(one)]
                };
                text::columns(&changed.iter().map(row).collect::<Vec<_>>(), width)
            }
        },
        || {
            changed.iter().map(|(change, one)| json!({ "key": one.key, "change": change, "need": one.need.to_string(), "features": one.features })).collect()
        },
    )?;
    Ok(if changed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}

fn listed(version: &ProfileVersion) -> BTreeMap<String, Listed> {
    version.listed().into_iter().map(|one| (one.key.clone(), one)).collect()
}

/// What was removed as it was, what was added or is needed otherwise as it is now.
fn changes<'a>(
    old: &'a BTreeMap<String, Listed>,
    new: &'a BTreeMap<String, Listed>,
) -> Vec<(&'static str, &'a Listed)> {
    let gone = old.iter().filter(|(key, _)| !new.contains_key(*key)).map(|(_, one)| ("remove", one));
    let other = new.iter().filter_map(|(key, one)| match old.get(key) {
        None => Some(("add", one)),
        Some(before) => (before != one).then_some(("change", one)),
    });
    gone.chain(other).collect()
}

fn need(one: &Listed) -> String {
    let features = one.features.iter().cloned().collect::<Vec<_>>().join(", ");
    if features.is_empty() { one.need.to_string() } else { format!("{}: {features}", one.need) }
}
