//! `catalog list`: every profile, with what it comes to.

use super::{Output, text};
use crate::catalog::{Catalog, ProfileKind, ProfileVersion, ROLE_KEY, Risk, role_rating};
use anyhow::Result;
use serde_json::json;

pub(super) fn run(catalog: &Catalog, output: &Output) -> Result<()> {
    let mut slugs: Vec<_> = catalog.slugs().collect();
    slugs.sort_unstable();
    let all = slugs.into_iter().map(|slug| catalog.profile(slug)).collect::<Result<Vec<_>, _>>()?;
    output.write(
        |width| {
            let rows: Vec<_> = all.iter().map(|one| row(catalog, one)).collect();
            format!("{}\n{} profiles. `catalog show SLUG` tells all of one.\n", text::columns(&rows, width), rows.len())
        },
        || all.iter().map(|one| line(catalog, one)).collect(),
    )
}

fn row(catalog: &Catalog, one: &ProfileVersion) -> Vec<String> {
    let (count, risk) = sum(catalog, one);
    let what = format!("{}: {}", one.profile.vendor, one.profile.title);
    vec![one.slug.clone(), format!("{count:>3}"), risk.map_or(String::new(), |risk| risk.to_string()), what]
}

fn line(catalog: &Catalog, one: &ProfileVersion) -> serde_json::Value {
    let (count, risk) = sum(catalog, one);
    json!({
        "slug": one.slug,
        "version": one.version,
        "vendor": one.profile.vendor,
        "title": one.profile.title,
        "kind": one.profile.kind,
        "features": one.features().keys().collect::<Vec<_>>(),
        "permissions": count,
        "worst_risk": risk,
        "complete": one.profile.source.complete,
    })
}

/// How many permissions a profile may ask for, and the worst class among them and its directory roles.
pub(in crate::cli) fn sum(catalog: &Catalog, one: &ProfileVersion) -> (usize, Option<Risk>) {
    let listed = one.listed();
    let count = listed.iter().filter(|one| !one.key.starts_with(ROLE_KEY)).count();
    (count, listed.iter().map(|one| risk_of(catalog, &one.key)).max())
}

fn risk_of(catalog: &Catalog, key: &str) -> Risk {
    match (key.strip_prefix(ROLE_KEY), key.parse()) {
        (Some(role), _) => role_rating(role).risk,
        (None, Ok(key)) => catalog.rating(&key).risk,
        (None, Err(_)) => Risk::High,
    }
}

/// What the kind of a profile is called.
pub(in crate::cli) fn kind(kind: ProfileKind) -> &'static str {
    match kind {
        ProfileKind::OwnRegistration => "own registration",
        ProfileKind::VendorApp => "the vendor's application",
    }
}
