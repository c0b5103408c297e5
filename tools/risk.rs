//! Makes `catalog/risk.json` from `catalog/risk`: ratings of named sources, one rule, decisions made by hand. `cargo run --example risk`
//! writes it; a test compares.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use terraform_provider_m365::catalog::{Catalog, Kind, Risk, checks};

/// What each step of the rule says; the number of the one that decided stands beside each class.
pub const STEPS: [&str; 8] = [
    "it acts, the Enterprise Access Model puts it on the control plane, and SCuBA (Critical), Maester or an attack path names it",
    "it acts",
    "it reads mail, files or secrets, or Microsoft gives it level 4",
    "it reads little: basic properties, or rated low, or the signed-in user's own data without an administrator's consent",
    "it reads, nothing more is known",
    "its name says neither what it reads nor what it does",
    "the application permission of its name is critical, or Microsoft Graph's of its name is in a higher class",
    "it is about the signed-in user's own data only, and needs no administrator's consent",
];

#[derive(Deserialize)]
struct Terms {
    acts: BTreeSet<String>,
    reads: BTreeSet<String>,
    basic: BTreeSet<String>,
    sensitive: BTreeSet<String>,
    openid: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Ratings {
    ratings: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
}

#[derive(Deserialize)]
struct Override {
    keys: Vec<String>,
    class: Risk,
    reason: String,
}

/// One permission, with all that the rule looks at.
struct Subject<'a> {
    api: &'a str,
    kind: Kind,
    value: &'a str,
    admin_consent: Option<bool>,
    rated: BTreeMap<&'a str, String>,
}

/// The text that `catalog/risk.json` should have.
pub fn rebuilt(repository: &Path) -> Result<String> {
    let folder = repository.join("catalog/risk");
    let terms: Terms = read(&folder, "terms.json")?;
    let Ratings { ratings } = read(&folder, "ratings.json")?;
    let overrides: Vec<Override> = read(&folder, "overrides.json")?;
    let reasons: BTreeMap<String, String> = read(&folder, "reasons.json")?;
    let catalog = Catalog::built_in();
    let mut classes = BTreeMap::new();
    let mut subjects = BTreeMap::new();
    for api in catalog.api_keys().filter_map(|key| catalog.api(key)) {
        for one in api.permissions() {
            let key = format!("{}/{}/{}", api.key, one.kind, one.value);
            let rated = ratings.get(&key).into_iter().flatten();
            let text = |value: &serde_json::Value| value.as_str().map_or(value.to_string(), str::to_owned);
            let subject = Subject {
                api: &api.key,
                kind: one.kind,
                value: &one.value,
                admin_consent: one.admin_consent_required,
                rated: rated.map(|(source, value)| (source.as_str(), text(value))).collect(),
            };
            classes.insert(key.clone(), terms.class(&subject));
            subjects.insert(key, subject);
        }
    }
    raise(&mut classes, &subjects);
    for (key, subject) in &subjects {
        if let Some(class) = classes.get_mut(key).filter(|class| class.0 == Risk::High && own_data(subject)) {
            *class = (Risk::Medium, 8);
        }
    }
    let mut decided = BTreeMap::new();
    for (key, class) in &mut classes {
        let fits = |one: &&Override| one.keys.iter().any(|pattern| checks::matches(pattern, key));
        if let Some(one) = overrides.iter().find(fits) {
            class.0 = one.class;
            decided.insert(key.clone(), one.reason.clone());
        }
    }
    written(&classes, &subjects, &decided, &reasons)
}

impl Terms {
    /// Class and number of the step, the first that fits. The last two steps come afterwards.
    fn class(&self, one: &Subject<'_>) -> (Risk, usize) {
        let (resource, rest) = one.value.split_once('.').unwrap_or((one.value, one.value));
        let parts: Vec<_> = rest.split('.').collect();
        let any = |set: &BTreeSet<String>| parts.iter().any(|part| set.contains(*part));
        let rated = |source: &str, as_what: &str| one.rated.get(source).is_some_and(|text| text.starts_with(as_what));
        let basic = any(&self.basic);
        let reads = any(&self.reads);
        let acts = any(&self.acts) && !reads;
        let with_first = format!("{resource}.{}", parts.first().unwrap_or(&""));
        let sensitive = self.sensitive.contains(resource) || self.sensitive.contains(&with_first);
        let named = rated("scuba", "Critical") || rated("maester", "") || rated("eam-attack-path", "");
        let own = one.kind == Kind::Delegated && one.admin_consent == Some(false) && !one.value.ends_with(".All");
        let low = rated("microsoft", "1") || rated("scuba", "Low") || own;
        let more = ["Medium", "High", "Critical"].iter().any(|class| rated("scuba", class));
        if acts && rated("eam", "ControlPlane") && named {
            (Risk::Critical, 1)
        } else if acts {
            (Risk::High, 2)
        } else if reads && (sensitive && !basic || rated("microsoft", "4")) {
            (Risk::High, 3)
        } else if self.openid.contains(one.value) || basic && !sensitive || reads && !basic && low && !more {
            (Risk::Low, 4)
        } else if basic {
            (Risk::Medium, 4)
        } else if reads {
            (Risk::Medium, 5)
        } else {
            (Risk::High, 6)
        }
    }
}

/// Steps that look at another permission: a delegated one at the application permission of its name, one of the retired Azure AD Graph
/// at Microsoft Graph's.
fn raise(classes: &mut BTreeMap<String, (Risk, usize)>, subjects: &BTreeMap<String, Subject<'_>>) {
    for (key, one) in subjects.iter().filter(|(_, one)| one.kind == Kind::Delegated && one.admin_consent == Some(true))
    {
        let namesake = classes.get(&format!("{}/application/{}", one.api, one.value)).copied();
        if namesake.is_some_and(|(class, _)| class == Risk::Critical) {
            step_up(classes, key, Risk::Critical);
        }
    }
    for (key, one) in subjects.iter().filter(|(_, one)| one.api == "windows_azure_active_directory") {
        let namesake = classes.get(&format!("microsoft_graph/{}/{}", one.kind, one.value)).copied();
        if let Some((class, _)) = namesake {
            step_up(classes, key, class);
        }
    }
}

fn step_up(classes: &mut BTreeMap<String, (Risk, usize)>, key: &str, to: Risk) {
    if let Some(class) = classes.get_mut(key).filter(|class| class.0 < to) {
        *class = (to, 7);
    }
}

/// Whether it is about the signed-in user's own data only. Source: Microsoft Graph, "Overview of Microsoft Graph permissions": without a
/// constraint such as `All` or `Shared` a delegated permission is about what the user owns. Other APIs do not promise that.
fn own_data(one: &Subject<'_>) -> bool {
    let wider = [".All", ".Shared"].iter().any(|end| one.value.ends_with(end));
    one.api == "microsoft_graph" && one.kind == Kind::Delegated && one.admin_consent == Some(false) && !wider
}

fn written(
    classes: &BTreeMap<String, (Risk, usize)>,
    subjects: &BTreeMap<String, Subject<'_>>,
    decided: &BTreeMap<String, String>,
    reasons: &BTreeMap<String, String>,
) -> Result<String> {
    let mut lists = BTreeMap::<String, Vec<String>>::new();
    let mut whys = BTreeMap::new();
    for (key, (class, step)) in classes {
        let subject = &subjects[key];
        let rated: Vec<_> = subject.rated.iter().map(|(source, text)| format!("{source} {text}")).collect();
        let line = format!("{class}|{step}|{}", rated.join("; "));
        let list = lists.entry(format!("{}/{}", subject.api, subject.kind)).or_default();
        list.push(format!("{}: {}", quoted(subject.value)?, quoted(&line)?));
        if *class == Risk::Critical {
            let fits =
                |(pattern, why): (&String, &String)| checks::matches(pattern, subject.value).then(|| why.clone());
            let why = reasons.iter().find_map(fits).with_context(|| format!("{key} has no reason in reasons.json"))?;
            whys.insert(subject.value.to_owned(), why);
        }
    }
    let mut out = "{\n  \"steps\": [\n".to_owned();
    let steps = STEPS.iter().map(|step| Ok(format!("    {}", quoted(step)?))).collect::<Result<Vec<_>>>()?;
    write!(out, "{}\n  ],\n  \"classes\": {{\n", steps.join(",\n"))?;
    let lists = lists.iter().map(|(name, lines)| {
        let lines: Vec<_> = lines.iter().map(|line| format!("      {line}")).collect();
        Ok(format!("    {}: {{\n{}\n    }}", quoted(name)?, lines.join(",\n")))
    });
    write!(out, "{}\n  }},\n", lists.collect::<Result<Vec<_>>>()?.join(",\n"))?;
    for (name, map, end) in [("decided", decided, ","), ("critical", &whys, "")] {
        let lines = map.iter().map(|(key, text)| Ok(format!("    {}: {}", quoted(key)?, quoted(text)?)));
        writeln!(out, "  \"{name}\": {{\n{}\n  }}{end}", lines.collect::<Result<Vec<_>>>()?.join(",\n"))?;
    }
    Ok(out + "}\n")
}

fn quoted(text: &str) -> Result<String> {
    Ok(serde_json::to_string(text)?)
}

fn read<T: serde::de::DeserializeOwned>(folder: &Path, name: &str) -> Result<T> {
    let path = folder.join(name);
    let text = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not as it should be", path.display()))
}

#[allow(dead_code, reason = "the test that compares has no use for it")]
fn main() -> Result<()> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(std::fs::write(repository.join("catalog/risk.json"), rebuilt(repository)?)?)
}
