//! Which source file uses which, from the paths that stand in them. Unit tests, comments and texts do not count.

use regex::{Captures, Regex};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One file: where it is, and what it names.
pub struct Source {
    /// Below `src`.
    file: String,
    /// Its module, from the crate's root.
    module: Vec<String>,
    /// Paths of `use`, with whether they are re-exports, and other paths.
    paths: Vec<(Vec<String>, bool)>,
}

pub struct Sources(BTreeMap<Vec<String>, Source>);

impl Source {
    pub fn new(file: &str, text: &str) -> Self {
        let module = file.trim_end_matches(".rs").split('/').filter(|part| *part != "mod").map(str::to_owned).collect();
        let text = bare(text);
        let mut paths = Vec::new();
        let uses = Regex::new(r"(?s)(pub(?:\([^)]*\))?\s+)?\buse\s+([^;]+);").unwrap();
        let rest = uses.replace_all(&text, |found: &Captures<'_>| {
            let each = expanded(&found[2]).into_iter().map(|path| (path, found.get(1).is_some()));
            paths.extend(each);
            String::new()
        });
        let inline = Regex::new(r"\b(?:crate|super)(?:::\w+)+").unwrap();
        paths.extend(inline.find_iter(&rest).map(|found| (segments(found.as_str()), false)));
        Self { file: file.to_owned(), module, paths }
    }
}

/// The text without comments, texts and unit tests.
fn bare(text: &str) -> String {
    let noise = Regex::new(r##"(?s)//[^\n]*|r#".*?"#|"(?:[^"\\]|\\.)*""##).unwrap();
    let text = noise.replace_all(text, "").into_owned();
    text.split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap()
        .replace("#[cfg(test)]\n#[cfg(unix)]\nmod tests {", "\0")
        .split('\0')
        .next()
        .unwrap()
        .to_owned()
}

fn segments(path: &str) -> Vec<String> {
    path.split("::").map(|part| part.split_whitespace().next().unwrap_or_default().to_owned()).collect()
}

/// Every path of a `use` tree.
fn expanded(tree: &str) -> Vec<Vec<String>> {
    let Some((head, rest)) = tree.split_once('{') else { return vec![segments(tree)] };
    let inner = &rest[..rest.rfind('}').unwrap()];
    let (mut depth, mut start, mut branches) = (0, 0, Vec::new());
    for (at, one) in inner.char_indices().chain([(inner.len(), ',')]) {
        match one {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                branches.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    let head = head.trim().trim_end_matches("::");
    let branches = branches.into_iter().map(str::trim).filter(|branch| !branch.is_empty());
    branches
        .flat_map(|branch| expanded(branch).into_iter())
        .map(|branch| {
            segments(head).into_iter().chain(branch).filter(|part| part != "self" && !part.is_empty()).collect()
        })
        .collect()
}

impl Sources {
    pub fn read(folder: &Path, left_out: &[&str]) -> Self {
        fn below(folder: &Path, root: &Path, left_out: &[&str], found: &mut Vec<Source>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                if path.is_dir() {
                    below(&path, root, left_out, found);
                } else if name.ends_with(".rs") && !name.ends_with("tests.rs") && !left_out.contains(&name.as_str()) {
                    found.push(Source::new(&name, &std::fs::read_to_string(&path).unwrap()));
                }
            }
        }
        let mut found = Vec::new();
        below(folder, folder, left_out, &mut found);
        Self::of(found)
    }

    pub fn of(all: Vec<Source>) -> Self {
        Self(all.into_iter().map(|source| (source.module.clone(), source)).collect())
    }

    /// Which file uses which. A module that only hands on what its parts have does not use them.
    pub fn arrows(&self) -> BTreeSet<(String, String)> {
        let mut found = BTreeSet::new();
        for source in self.0.values() {
            for (path, _) in source.paths.iter().filter(|(_, hands_on)| !hands_on) {
                if let Some(to) = self.file_of(&source.module, path, 0).filter(|to| *to != source.file) {
                    found.insert((source.file.clone(), to));
                }
            }
        }
        found
    }

    /// The file that declares what `path`, written in `module`, names; `None` where that is no file of these.
    fn file_of(&self, module: &[String], path: &[String], depth: usize) -> Option<String> {
        let (mut at, mut rest) = (module.to_vec(), path);
        match rest.first()?.as_str() {
            "crate" => {
                at.clear();
                rest = &rest[1..];
            }
            "super" => {
                while rest.first().is_some_and(|part| part == "super") {
                    at.pop();
                    rest = &rest[1..];
                }
            }
            "self" => rest = &rest[1..],
            first => {
                at.push(first.to_owned());
                self.0.get(&at)?;
                rest = &rest[1..];
            }
        }
        while let Some(part) = rest.first() {
            at.push(part.clone());
            if !self.is_module(&at) {
                at.pop();
                break;
            }
            rest = &rest[1..];
        }
        let source = self.0.get(&at)?;
        let Some(name) = rest.first() else { return Some(source.file.clone()) };
        let handed_on = source.paths.iter().find(|(path, hands_on)| *hands_on && path.last() == Some(name));
        match handed_on {
            // Re-exports of re-exports end somewhere.
            Some((path, _)) if depth < 8 => self.file_of(&at, path, depth + 1).or_else(|| Some(source.file.clone())),
            _ => Some(source.file.clone()),
        }
    }

    fn is_module(&self, module: &[String]) -> bool {
        self.0.keys().any(|one| one.starts_with(module))
    }
}
