//! The pages are what the schemas and examples make of them, every example is valid, and every guide's links lead somewhere.

use crate::tenant::Tenant;
use crate::workspace::{HEAD, PROVIDER, Workspace};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use terraform_provider_m365::cli::{docs, terraform};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_reference_pages_are_current() {
    let stale = docs::stale(repository()).unwrap();
    let names: Vec<_> = stale.keys().collect();
    assert!(stale.is_empty(), "not current: {names:?}; `cargo run -- docs` writes them");
}

#[test]
fn every_relative_link_of_the_documentation_leads_somewhere() {
    let mut pages = vec![repository().join("README.md")];
    pages.extend(["docs", "examples", "modules"].iter().flat_map(|folder| below(&repository().join(folder))));
    let link = regex::Regex::new(r"\]\(([^)#\s]+)(?:#[^)]*)?\)").unwrap();
    let mut checked = 0;
    for page in pages.iter().filter(|path| path.extension().is_some_and(|one| one == "md")) {
        let text = std::fs::read_to_string(page).unwrap();
        for target in link.captures_iter(&text).map(|found| found[1].to_owned()).filter(|one| !one.contains("://")) {
            let whole = page.parent().unwrap().join(&target);
            let exists = whole.exists() || whole.with_extension("md").exists();
            assert!(exists, "{} links to {target}, which is not there", page.display());
            checked += 1;
        }
    }
    assert!(checked >= 20, "only {checked} links were found");
}

/// Every file below a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(below(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}

/// The folders below `examples` that hold a configuration, each with the texts of its files.
fn examples() -> BTreeMap<PathBuf, Vec<String>> {
    let mut all = BTreeMap::<PathBuf, Vec<String>>::new();
    for path in
        below(&repository().join("examples")).into_iter().filter(|path| path.extension().is_some_and(|one| one == "tf"))
    {
        let text = std::fs::read_to_string(&path).unwrap();
        all.entry(path.parent().unwrap().to_owned()).or_default().push(text);
    }
    all
}

/// The examples of resources that a configuration refers to without declaring them: a page shows just its own resource.
fn borrowed(texts: &[String]) -> Vec<String> {
    let reference = regex::Regex::new(r"\b(m365_\w+)\.(\w+)\b").unwrap();
    let mut all = texts.to_vec();
    let mut next = 0;
    while let Some(text) = all.get(next).cloned() {
        for found in
            reference.captures_iter(&text).filter(|found| !text[..found.get(0).unwrap().start()].ends_with("data."))
        {
            let declared = format!("resource \"{}\" \"{}\"", &found[1], &found[2]);
            if !all.iter().any(|text| text.contains(&declared)) {
                let path = repository().join("examples/resources").join(&found[1]).join("resource.tf");
                all.push(std::fs::read_to_string(path).unwrap());
            }
        }
        next += 1;
    }
    all.split_off(texts.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_is_valid_and_formatted() {
    let tenant = Tenant::start().await;
    let examples = examples();
    assert!(examples.len() >= 10, "only {} examples were found", examples.len());
    for cli in terraform::find().unwrap() {
        for (folder, texts) in &examples {
            let name = folder.strip_prefix(repository()).unwrap().display();
            let here = tempfile::tempdir().unwrap();
            let workspace = Workspace::new(&cli, here.path(), Path::new(PROVIDER), &tenant.url()).unwrap();
            let borrowed = borrowed(texts);
            for (number, text) in texts.iter().enumerate() {
                std::fs::write(here.path().join(format!("example{number}.tf")), text).unwrap();
            }
            let formatted = workspace.run(&["fmt", "-check", "-diff", "-no-color"]).await.unwrap();
            assert_eq!(formatted.code, 0, "{name} is not formatted:\n{}", formatted.output);
            for (number, text) in borrowed.iter().enumerate() {
                std::fs::write(here.path().join(format!("borrowed{number}.tf")), text).unwrap();
            }
            if !texts.iter().any(|text| text.contains("required_providers")) {
                std::fs::write(here.path().join("versions.tf"), HEAD).unwrap();
            }
            let checked = workspace.run(&["validate", "-no-color"]).await.unwrap();
            assert_eq!(checked.code, 0, "{name} is not valid with {}:\n{}", cli.display(), checked.output);
        }
    }
}
