//! Where something stands in a profile's file.

use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Names of tables and attributes, and numbers in lists, from the top of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place(Vec<String>);

impl Place {
    /// The place below these.
    pub(super) fn at(steps: &[&str]) -> Self {
        Self::default().then(steps)
    }

    /// A place below this one.
    pub(super) fn then(&self, steps: &[&str]) -> Self {
        Self(self.0.iter().cloned().chain(steps.iter().map(|step| (*step).to_owned())).collect())
    }

    /// Line and column in `text`, both from one; of the nearest thing around it where the place itself is not written.
    pub fn find(&self, text: &str) -> (usize, usize) {
        let Ok(table) = DeTable::parse(text) else { return (1, 1) };
        let start = self.start(table.get_ref()).unwrap_or_default();
        line_and_column(text, start)
    }

    fn start(&self, table: &DeTable<'_>) -> Option<usize> {
        let (first, rest) = self.0.split_first()?;
        let (key, value) = entry(table, first)?;
        let mut span = key.span();
        let mut value = value;
        for step in rest {
            let Some((next_span, next)) = below(value, step) else { break };
            (span, value) = (next_span, next);
        }
        Some(span.start)
    }
}

fn entry<'a, 'i>(
    table: &'a DeTable<'i>,
    name: &str,
) -> Option<(&'a Spanned<std::borrow::Cow<'i, str>>, &'a Spanned<DeValue<'i>>)> {
    table.iter().find(|(key, _)| key.get_ref() == name)
}

fn below<'a, 'i>(value: &'a Spanned<DeValue<'i>>, step: &str) -> Option<(Range<usize>, &'a Spanned<DeValue<'i>>)> {
    if let Some(table) = value.get_ref().as_table() {
        let (key, value) = entry(table, step)?;
        return Some((key.span(), value));
    }
    let element = value.get_ref().as_array()?.get(step.parse::<usize>().ok()?)?;
    Some((element.span(), element))
}

/// Of a byte of `text`; columns count characters.
pub(crate) fn line_and_column(text: &str, start: usize) -> (usize, usize) {
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_by_its_steps_or_by_the_nearest_around_it() {
        let text = "slug = \"x\"\n\n[features.a.permissions.g]\napplication = [\n  \"ä\", \"B\",\n]\n\n[[versions]]\nversion = 1\n";
        let find = |steps: &[&str]| Place::at(steps).find(text);
        assert_eq!(find(&["slug"]), (1, 1));
        assert_eq!(find(&["features", "a", "permissions", "g", "application", "1"]), (5, 8));
        assert_eq!(find(&["features", "a", "title"]), (3, 11));
        assert_eq!(find(&["versions", "0", "version"]), (9, 1));
        assert_eq!(find(&["nothing"]), (1, 1));
    }
}
