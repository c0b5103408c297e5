//! The pages of the connector profiles, made from the profiles: one for each, an index, and one of all critical permissions. They lie
//! among the guides, which is where the registries show further pages.

use super::catalog::{hcl, kind, parts, rating, roles, sum};
use crate::catalog::{Catalog, ProfileVersion, Risk};
use anyhow::Result;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Begins the name of every page of one profile.
pub(super) const PREFIX: &str = "connector-";

/// All of them, by path below the repository.
pub(super) fn pages() -> Result<BTreeMap<PathBuf, String>> {
    let catalog = Catalog::built_in();
    let mut slugs: Vec<_> = catalog.slugs().collect();
    slugs.sort_unstable();
    let all = slugs.into_iter().map(|slug| catalog.profile(slug)).collect::<Result<Vec<_>, _>>()?;
    let at = |name: &str| Path::new("docs/guides").join(name);
    let mut pages = BTreeMap::from([
        (at("connectors.md"), index(catalog, &all)?),
        (at("critical-permissions.md"), critical(catalog, &all)?),
    ]);
    for one in &all {
        pages.insert(at(&format!("{PREFIX}{}.md", one.slug)), page(catalog, one)?);
    }
    Ok(pages)
}

fn head(title: &str, description: &str) -> String {
    format!(
        "---\npage_title: {title:?}\nsubcategory: \"Connectors\"\ndescription: |-\n  {description}\n---\n\n# {title}\n\n"
    )
}

fn index(catalog: &Catalog, all: &[ProfileVersion]) -> Result<String> {
    let mut out = head("Connectors", "Every connector that the catalogue knows, with what it asks for.");
    out += "What each vendor's document asks for, at its worst, with every feature and option. [All critical permissions](critical-permissions.md)\n\
            tells who asks for which. `terraform-provider-m365 catalog list` prints the same.\n\n\
            | vendor | connector | application | permissions | worst risk |\n| --- | --- | --- | ---: | --- |\n";
    for one in all {
        let (count, risk) = sum(catalog, one);
        let (profile, risk) = (&one.profile, risk.map(|risk| risk.to_string()).unwrap_or_default());
        let link = format!("[{}]({PREFIX}{}.md)", cell(&profile.title), one.slug);
        writeln!(out, "| {} | {link} | {} | {count} | {risk} |", cell(&profile.vendor), kind(profile.kind))?;
    }
    Ok(out)
}

fn critical(catalog: &Catalog, all: &[ProfileVersion]) -> Result<String> {
    let mut asked = BTreeMap::<String, Vec<&str>>::new();
    for one in all {
        for listed in one.listed() {
            if let Ok(key) = listed.key.parse() {
                asked.entry(catalog.canonical(&key).to_string()).or_default().push(&one.slug);
            }
        }
    }
    let mut out =
        head("Critical permissions", "What can grant itself more, take over accounts or lock administrators out.");
    out += "A holder of one of these can grant itself more, take over accounts, or lock every administrator out. Silence the plan's warning with\n\
            a reason in `acknowledge`. `terraform-provider-m365 catalog show KEY` tells on which sources a class rests.\n\n\
            | permission | its holder | asked for by |\n| --- | --- | --- |\n";
    for api in catalog.api_keys().filter_map(|key| catalog.api(key)) {
        let mut keys: Vec<_> = api.permissions().map(|one| api.key_of(one)).collect();
        keys.sort();
        for key in keys {
            let rating = catalog.rating(&key);
            if rating.risk != Risk::Critical {
                continue;
            }
            let slugs = asked.get(&key.to_string()).into_iter().flatten();
            let links: Vec<_> = slugs.map(|slug| format!("[{slug}]({PREFIX}{slug}.md)")).collect();
            writeln!(out, "| `{key}` | {} | {} |", cell(&rating.why.unwrap_or_default()), links.join(", "))?;
        }
    }
    Ok(out)
}

fn page(catalog: &Catalog, one: &ProfileVersion) -> Result<String> {
    let profile = &one.profile;
    let title = format!("{}: {}", profile.vendor, profile.title);
    let about = profile.about.as_deref().unwrap_or(&title);
    let mut out = head(&title, about);
    write!(out, "{about}\n\n| | |\n| --- | --- |\n| profile | `{}`, version {} |\n", one.slug, one.version)?;
    writeln!(out, "| application | {} |", kind(profile.kind))?;
    writeln!(out, "| consent | {} |", one.consent_roles().join(" or "))?;
    let takes: Vec<_> = one.app.credentials.iter().map(ToString::to_string).collect();
    if !takes.is_empty() {
        writeln!(out, "| credentials | {} |", takes.join(", "))?;
    }
    if !profile.outputs.is_empty() {
        let outputs: Vec<_> = profile.outputs.iter().map(|name| format!("`{name}`")).collect();
        writeln!(out, "| to hand over | {} |", outputs.join(", "))?;
    }
    let features = one.features().values().filter_map(|feature| feature.source.as_ref());
    let mut sources: Vec<_> = [&profile.source]
        .into_iter()
        .chain(features)
        .map(|source| {
            let read = source.read_on.map(|day| format!(", read on {day}")).unwrap_or_default();
            let revision = source.revision.as_ref().map(|text| format!(" ({})", cell(text))).unwrap_or_default();
            match &source.url {
                Some(url) => format!("[{}]({url}){revision}{read}", cell(&source.title)),
                None => format!("{}{revision}{read}", cell(&source.title)),
            }
        })
        .collect();
    sources.dedup();
    writeln!(out, "| document | {} |", sources.join("<br>"))?;
    out += "\n## What it may do\n";
    let has = roles(one);
    for (heading, listed) in parts(one) {
        write!(out, "\n### {heading}\n\n| key | risk | why |\n| --- | --- | --- |\n")?;
        for listed in listed {
            let rating = rating(catalog, &has, &listed.key);
            let why = rating.why.map_or(rating.basis, |why| format!("its holder {why}"));
            writeln!(out, "| `{}` | {} | {} |", listed.key, rating.risk, cell(&why))?;
        }
    }
    if !profile.forbidden.is_empty() {
        let all: Vec<_> = profile.forbidden.iter().map(|pattern| format!("`{pattern}`")).collect();
        write!(out, "\nIt must not have {}.\n", all.join(", "))?;
    }
    for (name, cloud) in &profile.clouds {
        let detail = cloud.detail.as_deref().unwrap_or(if cloud.supported { "Differs." } else { "Not supported." });
        write!(out, "\nIn the cloud `{name}`: {detail}\n")?;
    }
    if !profile.prerequisites.is_empty() {
        out += "\n## What has to be there\n\n";
        for one in &profile.prerequisites {
            writeln!(out, "- **{}** ({}). {}", one.name, one.kind, one.detail)?;
        }
    }
    if !profile.discrepancies.is_empty() {
        out += "\n## What is wrong in the document\n\n";
        for one in &profile.discrepancies {
            writeln!(out, "- **{}** {} *{}*", one.kind, text(&one.text), text(&one.resolution))?;
        }
    }
    write!(out, "\n## Configuration\n\n```terraform\n{}```\n", hcl(one))?;
    Ok(out)
}

/// Text in a cell of a table.
fn cell(words: &str) -> String {
    text(words).replace('|', "\\|").replace('\n', " ")
}

/// Text in which a star is a star.
fn text(words: &str) -> String {
    words.replace('*', "\\*").replace('<', "&lt;")
}
