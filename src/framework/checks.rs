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
        for rule in &attribute.checks {
            apply(rule, &value, &at, found);
        }
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
