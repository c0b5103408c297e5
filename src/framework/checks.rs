//! Checks of values against their schema: all findings at once, each with its path. Unknown values pass.

use super::diagnostic::{Diagnostic, Path, Step};
use super::dynamic::Dynamic;
use super::schema::{Attribute, Check, Schema, Shape};
use super::timeouts::Wait;

/// When a rule is held against a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// In `validate`: what can only come from the one who wrote the configuration.
    Written,
    /// In a plan, or before a read: the form of references. In `validate` they may be what the CLI's mocks made of other resources:
    /// `mock_provider` of `terraform test` still sends configurations here.
    Referred,
}

impl Check {
    fn stage(&self) -> Stage {
        if *self == Self::Guid { Stage::Referred } else { Stage::Written }
    }
}

/// Everything in `config` that the schema refuses, but the form of references.
pub fn check(schema: &Schema, config: &Dynamic) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    object(schema, config, Stage::Written, &Path::default(), &mut found);
    found
}

/// References in `config` that have the wrong form.
pub fn references(schema: &Schema, config: &Dynamic) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    object(schema, config, Stage::Referred, &Path::default(), &mut found);
    found
}

/// What the attribute's rules, all of them, find in one value.
pub fn value(attribute: &Attribute, value: &Dynamic, at: &Path) -> Vec<Diagnostic> {
    findings(attribute, value, &[Stage::Written, Stage::Referred], at)
}

fn findings(attribute: &Attribute, value: &Dynamic, stages: &[Stage], at: &Path) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    attribute.checks.iter().for_each(|rule| apply(rule, value, stages, at, &mut found));
    // What the attribute is for says more than a pattern does.
    let meant = attribute.description.split_once(". ").map_or(attribute.description.as_str(), |(first, _)| first);
    found.into_iter().map(|finding| finding.help(format!("{}.", meant.trim_end_matches('.')))).collect()
}

fn object(schema: &Schema, config: &Dynamic, stage: Stage, at: &Path, found: &mut Vec<Diagnostic>) {
    if !matches!(config, Dynamic::Map(_)) {
        return;
    }
    for (name, attribute) in &schema.attributes {
        let (one, at) = (config.get(name), at.then(Step::Attribute(name.clone())));
        found.extend(findings(attribute, one, &[stage], &at));
        if stage == Stage::Written {
            nulls(one, matches!(attribute.shape, Shape::Object(_)), &at, found);
        }
        match (&attribute.shape, one) {
            (Shape::Object(inner), _) => object(inner, one, stage, &at, found),
            (Shape::ObjectMap(inner), Dynamic::Map(items)) => {
                items
                    .iter()
                    .for_each(|(key, item)| object(inner, item, stage, &at.then(Step::Key(key.clone())), found));
            }
            (Shape::ObjectList(inner), Dynamic::List(items)) => {
                for (item, index) in items.iter().zip(0..) {
                    object(inner, item, stage, &at.then(Step::Index(index)), found);
                }
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

fn apply(rule: &Check, value: &Dynamic, stages: &[Stage], at: &Path, found: &mut Vec<Diagnostic>) {
    match (rule, value) {
        (Check::Each(rules), Dynamic::List(items)) => {
            // A set's element has no address of its own, so every element is reported at the collection.
            items.iter().for_each(|item| rules.iter().for_each(|rule| apply(rule, item, stages, at, found)));
        }
        (Check::Each(rules), Dynamic::Map(items)) => {
            items.iter().for_each(|(key, item)| {
                rules.iter().for_each(|rule| apply(rule, item, stages, &at.then(Step::Key(key.clone())), found));
            });
        }
        _ if stages.contains(&rule.stage()) => found.extend(refusal(rule, value, at).map(|found| found.at(at.clone()))),
        _ => {}
    }
}

/// Why a rule refuses a known value.
fn refusal(rule: &Check, value: &Dynamic, at: &Path) -> Option<Diagnostic> {
    match (rule, value) {
        (Check::Length(least, most), Dynamic::String(_) | Dynamic::List(_) | Dynamic::Map(_)) => {
            length(*least, *most, value, at)
        }
        (Check::Pattern(pattern), Dynamic::String(text)) if !pattern.is_match(text) => Some(
            Diagnostic::error(format!("`{at}` has the wrong form"))
                .help(format!("\"{text}\" does not match the pattern `{}`.", pattern.as_str())),
        ),
        (Check::Guid, Dynamic::String(text)) if !is_guid(text) => Some(
            Diagnostic::error(format!("`{at}` is not a GUID"))
                .help(format!("\"{text}\" should look like `11111111-2222-3333-4444-555555555555`.")),
        ),
        (Check::Wait, Dynamic::String(text)) => {
            text.parse::<Wait>().err().map(|why| Diagnostic::error(format!("`{at}` is no usable wait")).help(why))
        }
        (Check::Whole(least, most), Dynamic::Number(number))
            if !number.as_str().parse::<i128>().is_ok_and(|number| (*least..=*most).contains(&number)) =>
        {
            Some(
                Diagnostic::error(format!("`{at}` cannot be {}", number.as_str()))
                    .help(format!("It is a whole number from {least} to {most}.")),
            )
        }
        (Check::OneOf(choices), Dynamic::String(text)) if !choices.contains(text) => {
            let all = choices.iter().map(|choice| format!("\"{choice}\"")).collect::<Vec<_>>().join(", ");
            Some(Diagnostic::error(format!("`{at}` cannot be \"{text}\"")).help(format!("It is one of {all}.")))
        }
        _ => None,
    }
}

/// Whether `text` is a GUID in its usual form.
pub fn is_guid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

fn length(least: Option<u64>, most: Option<u64>, value: &Dynamic, at: &Path) -> Option<Diagnostic> {
    let (size, unit) = match value {
        Dynamic::String(text) => (text.chars().count(), "characters"),
        Dynamic::List(items) => (items.len(), "elements"),
        Dynamic::Map(items) => (items.len(), "elements"),
        _ => return None,
    };
    let size = u64::try_from(size).unwrap_or(u64::MAX);
    let range = match (least, most) {
        (Some(least), _) if size >= least && most.is_none_or(|most| size <= most) => return None,
        (None, Some(most)) if size <= most => return None,
        (None, None) => return None,
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) => format!("at least {least}"),
        (None, Some(most)) => format!("at most {most}"),
    };
    Some(
        Diagnostic::error(format!("`{at}` has the wrong length"))
            .help(format!("It has {size} {unit}; {range} are allowed.")),
    )
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
