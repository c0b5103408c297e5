//! Who may import whom: the layers of `docs/architecture.md`, and no two files that need each other. Read from the paths in the source.

use crate::sources::{Source, Sources};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Module → modules of this crate that it may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("framework", &[]),
    ("catalog", &[]),
    ("graph", &[]),
    ("sandbox", &["catalog"]),
    ("protocol", &["framework"]),
    ("provider", &["framework", "graph", "catalog"]),
    ("functions", &["framework", "catalog", "provider"]),
    ("ephemeral", &["framework", "graph", "catalog", "provider"]),
    ("data_sources", &["framework", "graph", "catalog", "provider"]),
    ("resources", &["framework", "graph", "catalog", "provider"]),
    ("registry", &["framework", "provider", "resources", "data_sources", "ephemeral", "functions"]),
    ("cli", &["framework", "graph", "catalog", "provider", "registry", "protocol", "sandbox", "resources"]),
];

/// Every arrow from a module to one that it may not use.
fn forbidden(sources: &Sources) -> BTreeSet<String> {
    let module = |file: &str| file.split(['/', '.']).next().unwrap().to_owned();
    let mut found = BTreeSet::new();
    for (from, to) in sources.arrows() {
        let (from, to) = (module(&from), module(&to));
        let allowed = ALLOWED.iter().find(|(name, _)| *name == from);
        let allowed = allowed.unwrap_or_else(|| panic!("`{from}` is in no layer")).1;
        if from != to && !allowed.contains(&to.as_str()) {
            found.insert(format!("{from} → {to}"));
        }
    }
    found
}

/// The files of every circle.
fn circles(sources: &Sources) -> BTreeSet<Vec<String>> {
    let mut next = BTreeMap::<String, BTreeSet<String>>::new();
    for (from, to) in sources.arrows() {
        next.entry(from).or_default().insert(to);
    }
    let reachable = |start: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![start.to_owned()]);
        while let Some(file) = open.pop() {
            for to in next.get(&file).into_iter().flatten() {
                if seen.insert(to.clone()) {
                    open.push(to.clone());
                }
            }
        }
        seen
    };
    let all: BTreeMap<_, _> = next.keys().map(|file| (file.clone(), reachable(file))).collect();
    let mutual = |a: &String, b: &String| all[a].contains(b) && all.get(b).is_some_and(|back| back.contains(a));
    all.keys()
        .filter(|file| all[*file].contains(*file))
        .map(|file| all.keys().filter(|other| mutual(file, other)).cloned().collect())
        .collect()
}

fn of_this_crate() -> Sources {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    // `main.rs` and `lib.rs` are above all.
    Sources::read(&folder, &["main.rs", "lib.rs"])
}

#[test]
fn no_module_imports_what_it_may_not() {
    assert_eq!(forbidden(&of_this_crate()), BTreeSet::new());
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    assert_eq!(circles(&of_this_crate()), BTreeSet::new());
}

fn example(files: &[(&str, &str)]) -> Sources {
    Sources::of(files.iter().map(|(file, text)| Source::new(file, text)).collect())
}

#[test]
fn the_checks_see_an_arrow_however_it_is_written() {
    let graph = ("graph/mod.rs", "mod client;\npub use client::Graph;\nstruct Own;");
    let client = ("graph/client.rs", "pub struct Graph;");
    for text in [
        "use crate::graph::Graph;",
        "use crate::{graph::Graph};",
        "use crate::{\n    catalog::Catalog,\n    graph::{self, Graph},\n};",
        "use super::super::graph::Graph;",
        "fn f() { crate::graph::client::new() }",
        "fn f() -> super::super::graph::Own { }",
    ] {
        let sources = example(&[
            graph,
            client,
            ("catalog.rs", ""),
            ("framework/value.rs", text),
            ("framework/mod.rs", "mod value;"),
        ]);
        assert!(forbidden(&sources).contains("framework → graph"), "{text}: {:?}", sources.arrows());
    }
    let innocent = "// crate::graph::Graph\nconst A: &str = \"crate::graph::Graph\";\n#[cfg(test)]\nmod tests {\n    use crate::graph::Graph;\n}\n";
    let sources = example(&[graph, client, ("framework/value.rs", innocent), ("framework/mod.rs", "mod value;")]);
    assert_eq!(forbidden(&sources), BTreeSet::new());
}

#[test]
fn the_checks_see_a_circle_through_a_re_export() {
    let sources = example(&[
        ("graph/mod.rs", "mod a;\nmod b;\nmod c;\npub use a::A;"),
        ("graph/a.rs", "use super::b::B;\npub struct A;"),
        ("graph/b.rs", "use super::c::C;\npub struct B;"),
        ("graph/c.rs", "use crate::graph::A;\npub struct C;"),
    ]);
    let files = ["graph/a.rs", "graph/b.rs", "graph/c.rs"].map(str::to_owned).to_vec();
    assert_eq!(circles(&sources), BTreeSet::from([files]));
}

#[test]
fn every_test_file_is_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = std::fs::read_to_string(folder.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") else { continue };
        assert!(main.contains(&format!("mod {module};")), "{name} is not listed in main.rs");
    }
}
