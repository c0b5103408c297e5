//! Checks of configured values against their schema: all findings at once, each with its path. Unknown values pass.

use super::diagnostic::{Diagnostic, Path, Step};
use super::dynamic::Dynamic;
use super::schema::{Check, Schema, Shape};
use regex::Regex;

/// Everything in `config` that the schema refuses.
pub fn check(schema: &Schema, config: &Dynamic) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    object(schema, config, &Path::default(), &mut found);
    found
}

fn object(schema: &Schema, config: &Dynamic, at: &Path, found: &mut Vec<Diagnostic>) {
    if !matches!(config, Dynamic::Map(_)) {
        return;
    }
    for (name, attribute) in &schema.attributes {
        let (value, at) = (config.attribute(name), at.then(Step::Attribute(name.clone())));
        let before = found.len();
        for rule in &attribute.checks {
            apply(rule, &value, &at, found);
        }
        // What the attribute is for says more than a pattern does.
        for finding in found.iter_mut().skip(before) {
            let meant =
                attribute.description.split_once(". ").map_or(attribute.description.as_str(), |(first, _)| first);
            *finding = finding.clone().help(format!("{}.", meant.trim_end_matches('.')));
        }
        nulls(&value, matches!(attribute.shape, Shape::Object(_)), &at, found);
        match (&attribute.shape, &value) {
            (Shape::Object(inner), _) => object(inner, &value, &at, found),
            (Shape::ObjectMap(inner), Dynamic::Map(items)) => {
                items.iter().for_each(|(key, item)| object(inner, item, &at.then(Step::Key(key.clone())), found));
            }
            (Shape::ObjectList(inner), Dynamic::List(items)) => {
                items
                    .iter()
                    .zip(0..)
                    .for_each(|(item, index)| object(inner, item, &at.then(Step::Index(index)), found));
            }
            _ => {}
        }
    }
}

/// Elements that are null, as `[var.absent]` makes them: no collection of ours has a use for one.
fn nulls(value: &Dynamic, is_object: bool, at: &Path, found: &mut Vec<Diagnostic>) {
    let found_at = |at: &Path| {
        Diagnostic::error(format!("`{at}` cannot be null"))
            .at(at.clone())
            .help("An element of a collection has to have a value. Leave it out, for example with `compact(...)` or a condition in `for`.")
    };
    match value {
        Dynamic::List(items) => {
            for (item, index) in items.iter().zip(0..) {
                // The index is only said, not pointed at: a set's element has no address.
                if item.is_null() {
                    found.push(found_at(&at.then(Step::Index(index))).at(at.clone()));
                } else if matches!(item, Dynamic::List(_)) {
                    nulls(item, false, at, found);
                }
            }
        }
        Dynamic::Map(items) if !is_object => {
            for (key, item) in items {
                let at = at.then(Step::Key(key.clone()));
                if item.is_null() {
                    found.push(found_at(&at));
                } else if matches!(item, Dynamic::List(_)) {
                    nulls(item, false, &at, found);
                }
            }
        }
        _ => {}
    }
}

fn apply(rule: &Check, value: &Dynamic, at: &Path, found: &mut Vec<Diagnostic>) {
    match (rule, value) {
        (Check::Each(rules), Dynamic::List(items)) => {
            // A set's element has no address of its own, so every element is reported at the collection.
            items.iter().for_each(|item| rules.iter().for_each(|rule| apply(rule, item, at, found)));
        }
        (Check::Each(rules), Dynamic::Map(items)) => {
            items.iter().for_each(|(key, item)| {
                rules.iter().for_each(|rule| apply(rule, item, &at.then(Step::Key(key.clone())), found));
            });
        }
        (Check::Length(least, most), Dynamic::String(_) | Dynamic::List(_) | Dynamic::Map(_)) => {
            length(*least, *most, value, at, found);
        }
        (Check::Pattern(pattern), Dynamic::String(text))
            if !Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text)) =>
        {
            found.push(
                Diagnostic::error(format!("`{at}` has the wrong form"))
                    .at(at.clone())
                    .help(format!("\"{text}\" does not match the pattern `{pattern}`.")),
            );
        }
        (Check::Guid, Dynamic::String(text)) if !is_guid(text) => {
            found.push(
                Diagnostic::error(format!("`{at}` is not a GUID"))
                    .at(at.clone())
                    .help(format!("\"{text}\" should look like `11111111-2222-3333-4444-555555555555`.")),
            );
        }
        (Check::Whole(least, most), Dynamic::Number(number))
            if !number.as_str().parse::<i128>().is_ok_and(|number| (*least..=*most).contains(&number)) =>
        {
            found.push(
                Diagnostic::error(format!("`{at}` cannot be {}", number.as_str()))
                    .at(at.clone())
                    .help(format!("It is a whole number from {least} to {most}.")),
            );
        }
        (Check::OneOf(choices), Dynamic::String(text)) if !choices.contains(text) => {
            let all = choices.iter().map(|choice| format!("\"{choice}\"")).collect::<Vec<_>>().join(", ");
            found.push(
                Diagnostic::error(format!("`{at}` cannot be \"{text}\""))
                    .at(at.clone())
                    .help(format!("It is one of {all}.")),
            );
        }
        _ => {}
    }
}

/// Whether `text` is a GUID in its usual form.
pub fn is_guid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

fn length(least: Option<u64>, most: Option<u64>, value: &Dynamic, at: &Path, found: &mut Vec<Diagnostic>) {
    let (size, unit) = match value {
        Dynamic::String(text) => (text.chars().count(), "characters"),
        Dynamic::List(items) => (items.len(), "elements"),
        Dynamic::Map(items) => (items.len(), "elements"),
        _ => return,
    };
    let size = u64::try_from(size).unwrap_or(u64::MAX);
    if least.is_some_and(|least| size < least) || most.is_some_and(|most| size > most) {
        let range = match (least, most) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (Some(least), None) => format!("at least {least}"),
            (None, Some(most)) => format!("at most {most}"),
            (None, None) => return,
        };
        found.push(
            Diagnostic::error(format!("`{at}` has the wrong length"))
                .at(at.clone())
                .help(format!("It has {size} {unit}; {range} are allowed.")),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::dynamic::Number;
    use super::super::model::schema_of;
    use super::*;

    /// A model with a whole number.
    #[derive(schemars::JsonSchema)]
    #[allow(dead_code, reason = "only its schema is used")]
    struct Counted {
        /// How many.
        count: Option<u32>,
    }

    #[test]
    fn a_null_element_is_named() {
        let schema = schema_of::<Collections>().unwrap();
        let list = Dynamic::List(vec!["a".into(), Dynamic::Null]);
        let map = Dynamic::Map([("k".to_owned(), Dynamic::Null)].into());
        let lists = Dynamic::Map([("k".to_owned(), list.clone())].into());
        let config = [("list", list), ("map", map.clone()), ("lists", lists), ("objects", map)];
        let found = check(&schema, &Dynamic::Map(config.map(|(name, value)| (name.to_owned(), value)).into()));
        let found: Vec<_> = found.iter().map(|one| one.summary.as_str()).collect();
        assert_eq!(
            found,
            [
                "`list[1]` cannot be null",
                "`lists[\"k\"][1]` cannot be null",
                "`map[\"k\"]` cannot be null",
                "`objects[\"k\"]` cannot be null",
            ]
        );
    }

    /// A model with collections.
    #[derive(schemars::JsonSchema)]
    #[allow(dead_code, reason = "only its schema is used")]
    struct Collections {
        /// List.
        list: Option<Vec<String>>,
        /// Map.
        map: Option<std::collections::BTreeMap<String, String>>,
        /// Lists by name.
        lists: Option<std::collections::BTreeMap<String, Vec<String>>>,
        /// Objects by name.
        objects: Option<std::collections::BTreeMap<String, Counted>>,
    }

    #[test]
    fn a_number_that_is_not_whole_or_too_large_is_the_users_error() {
        let schema = schema_of::<Counted>().unwrap();
        let found = |text: &str| {
            let number = Dynamic::Number(Number::parse(text).unwrap());
            check(&schema, &Dynamic::Map([("count".to_owned(), number)].into()))
        };
        for good in ["0", "3", "4294967295"] {
            assert_eq!(found(good), Vec::new());
        }
        for bad in ["1.5", "-1", "4294967296", "1e400", "inf"] {
            assert_eq!(found(bad)[0].path, Some("count".into()), "{bad}");
        }
        assert_eq!(found("1.5")[0].detail, "It is a whole number from 0 to 4294967295.\n\nHow many.");
    }
}
