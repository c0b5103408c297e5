//! Checks of whole files: the built-in profiles, and those of a user or of a change to the built-in ones.

use super::place::line_and_column;
use super::{Finding, Place, Severity, Sort, findings};
use crate::catalog::profiles::{self, Profile};
use crate::catalog::{Catalog, CatalogError};
use std::path::{Path, PathBuf};

/// A finding with its file, line and column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Path as given, or below the repository.
    pub file: String,
    /// From one.
    pub line: usize,
    /// From one, in characters.
    pub column: usize,
    /// What was found.
    pub finding: Finding,
}

impl Located {
    /// Whether the file cannot stay so.
    pub fn is_error(&self) -> bool {
        self.finding.sort.severity == Severity::Error
    }
}

/// What is wrong with the built-in profiles, and how many there are.
pub fn check_built_in() -> (Vec<Located>, usize) {
    let catalog = Catalog::built_in();
    let mut found = Vec::new();
    let mut count = 0;
    for (slug, text) in profiles::files() {
        let file = format!("catalog/profiles/{slug}.toml");
        count += 1;
        match read(&file, text) {
            Ok(profile) => found.extend(located(&file, text, findings(&profile, catalog))),
            Err(why) => found.push(*why),
        }
    }
    (found, count)
}

/// What is wrong with these files, or with the ones in these folders, and how many there are. A built-in profile's own file may be
/// among them. Fails where a path cannot be read.
pub fn check_files(paths: &[PathBuf]) -> Result<(Vec<Located>, usize), CatalogError> {
    let mut catalog = Catalog::fresh();
    let (mut found, mut read_ones) = (Vec::new(), Vec::new());
    for path in paths {
        for path in crate::catalog::files(path)? {
            let file = path.display().to_string();
            let text = std::fs::read_to_string(&path).map_err(|why| CatalogError::Invalid {
                file: file.clone(),
                why: format!("it cannot be read: {why}"),
            })?;
            match read(&file, &text) {
                Ok(profile) => read_ones.push((path, file, text, profile)),
                Err(why) => found.push(*why),
            }
        }
    }
    for (path, file, text, profile) in &read_ones {
        let mut say = |place: &[&str], message: String| {
            let (subject, place) = (place.join("."), Place::at(place));
            let finding = Finding { sort: Sort::FORM, subject, message, suggestions: Vec::new(), place };
            found.extend(located(file, text, vec![finding]));
        };
        for (number, api) in profile.apis.iter().enumerate() {
            if !catalog.apis.add(api.into()) {
                let message = format!("the API \"{}\" ({}) is defined already, and otherwise", api.key, api.app_id);
                say(&["apis", &number.to_string()], message);
            }
        }
        if !catalog.profiles.add(profile.clone()) && !is_own_file(path, profile) {
            say(&["slug"], format!("the profile \"{}\" is defined already: give this one another slug", profile.slug));
        }
    }
    for (_, file, text, profile) in &read_ones {
        found.extend(located(file, text, findings(profile, &catalog)));
    }
    Ok((found, read_ones.len()))
}

/// Whether it is the file that a built-in profile is made from.
fn is_own_file(path: &Path, profile: &Profile) -> bool {
    path.ends_with(format!("catalog/profiles/{}.toml", profile.slug))
        || std::path::absolute(path)
            .is_ok_and(|whole| whole.ends_with(format!("catalog/profiles/{}.toml", profile.slug)))
}

fn read(file: &str, text: &str) -> Result<Profile, Box<Located>> {
    toml::from_str::<Profile>(text).map_err(|error| {
        let (line, column) = line_and_column(text, error.span().map_or(0, |span| span.start));
        let message = profiles::why(text, error.message());
        let finding = Finding {
            sort: Sort::SYNTAX,
            subject: String::new(),
            message,
            suggestions: Vec::new(),
            place: Place::default(),
        };
        Box::new(Located { file: file.to_owned(), line, column, finding })
    })
}

fn located(file: &str, text: &str, found: Vec<Finding>) -> Vec<Located> {
    let at = |finding: Finding| {
        let (line, column) = finding.place.find(text);
        Located { file: file.to_owned(), line, column, finding }
    };
    let mut all: Vec<_> = found.into_iter().map(at).collect();
    all.sort_by_key(|one| (one.line, one.column));
    all
}
