//! Who may import whom: the layers of `docs/architecture.md`, read from the `use` lines.

use std::path::Path;

/// Module → modules of this crate that it may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("framework", &[]),
    ("catalog", &[]),
    ("graph", &[]),
    ("sandbox", &["catalog"]),
    ("protocol", &["framework"]),
    ("provider", &["framework", "graph", "catalog", "resources", "data_sources", "ephemeral"]),
    ("ephemeral", &["framework", "graph", "catalog", "provider"]),
    ("data_sources", &["framework", "graph", "catalog", "provider"]),
    ("resources", &["framework", "graph", "catalog", "provider"]),
    ("cli", &["framework", "graph", "catalog", "provider", "protocol", "sandbox", "resources"]),
];

fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// Module and imported module of every forbidden arrow in `text`.
fn forbidden(module: &str, text: &str) -> Vec<String> {
    let allowed =
        ALLOWED.iter().find(|(name, _)| *name == module).unwrap_or_else(|| panic!("`{module}` is in no layer")).1;
    let used = text
        .match_indices("crate::")
        .map(|(at, _)| text[at + 7..].split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap());
    used.filter(|used| *used != module && ALLOWED.iter().any(|(name, _)| name == used) && !allowed.contains(used))
        .map(|used| format!("{module} → {used}"))
        .collect()
}

#[test]
fn no_module_imports_what_it_may_not() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&source, &mut all);
    for path in all.iter().filter(|path| path.parent() != Some(source.as_path())) {
        let module =
            path.strip_prefix(&source).unwrap().components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
        assert_eq!(
            forbidden(&module, &std::fs::read_to_string(path).unwrap()),
            Vec::<String>::new(),
            "{}",
            path.display()
        );
    }
}

#[test]
fn the_check_sees_a_forbidden_arrow() {
    assert_eq!(forbidden("framework", "use crate::graph::Graph;"), ["framework → graph"]);
    assert_eq!(forbidden("sandbox", "use crate::graph::Graph; use crate::catalog::Catalog;"), ["sandbox → graph"]);
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
