//! What a schema alone decides of a plan: configured values stay as written, defaults fill gaps, computed values are kept or
//! become unknown. Resources refine the rest. Pure functions.

use super::diagnostic::Path;
use super::dynamic::{Dynamic, Type};
use super::schema::{Attribute, Schema, Shape};
use std::collections::BTreeMap;

/// The planned object before the resource's own hook: `prior` is null for a create, `config` is never null.
pub fn initial(schema: &Schema, prior: &Dynamic, config: &Dynamic) -> Dynamic {
    let decided = object(schema, prior, config, &|_| None);
    if prior.is_null() {
        return object(schema, prior, config, &|_| Some(Dynamic::unknown()));
    }
    // The usual rule: where anything changes, a computed value may change with it unless its attribute says otherwise.
    if decided == *prior { decided } else { object(schema, prior, config, &|keeps| (!keeps).then(Dynamic::unknown)) }
}

/// `undecided` gives the value of a computed attribute that is not configured, told whether it keeps its state;
/// `None` keeps the prior value.
fn object(schema: &Schema, prior: &Dynamic, config: &Dynamic, undecided: &dyn Fn(bool) -> Option<Dynamic>) -> Dynamic {
    // An element that is null is planned as just that.
    if config.is_unknown() || config.is_null() {
        return config.clone();
    }
    let parts = schema.attributes.iter().map(|(name, attribute)| {
        let (before, written) = (prior.get(name), config.get(name));
        let planned = if !written.is_null() {
            let planned = nested(&attribute.shape, before, written, undecided);
            // The CLI takes the configured value or the prior one, as a whole.
            let meant = |value: &Dynamic| sorted(&attribute.shape, lower(value.clone()));
            if attribute.ignores_case() && meant(&planned) == meant(before) { before.clone() } else { planned }
        } else if let Some(default) = &attribute.default {
            default.clone()
        } else if attribute.computed {
            undecided(attribute.keeps_state).unwrap_or_else(|| before.clone())
        } else {
            Dynamic::Null
        };
        (name.clone(), planned)
    });
    Dynamic::Map(parts.collect())
}

fn nested(shape: &Shape, prior: &Dynamic, config: &Dynamic, undecided: &dyn Fn(bool) -> Option<Dynamic>) -> Dynamic {
    match (shape, config) {
        (Shape::Object(inner), Dynamic::Map(_)) => object(inner, prior, config, undecided),
        (Shape::ObjectMap(inner), Dynamic::Map(items)) => Dynamic::Map(
            items.iter().map(|(key, item)| (key.clone(), object(inner, prior.get(key), item, undecided))).collect(),
        ),
        (Shape::ObjectList(inner), Dynamic::List(items)) => {
            let before = |index| match prior {
                Dynamic::List(list) => list.get(index).unwrap_or(&Dynamic::Null),
                _ => &Dynamic::Null,
            };
            Dynamic::List(
                items.iter().enumerate().map(|(index, item)| object(inner, before(index), item, undecided)).collect(),
            )
        }
        _ => config.clone(),
    }
}

/// The configuration with defaults where nothing is written, at every depth: what a struct is made from.
pub fn with_defaults(schema: &Schema, config: &Dynamic) -> Dynamic {
    if config.is_null() { Dynamic::Null } else { object(schema, &Dynamic::Null, config, &|_| Some(Dynamic::Null)) }
}

/// What the hook decided, with everything that is configured put back as the CLI sent it: a struct cannot hold a collection of
/// which one part is unknown, nor a refinement. A hook that finds a change without meaning plans the prior value instead: the CLI takes
/// that or the configured one, nothing else. Source: Terraform's "Resource Instance Change Lifecycle", on PlanResourceChange.
pub fn overlay(schema: &Schema, base: &Dynamic, decided: Dynamic, prior: &Dynamic, config: &Dynamic) -> Dynamic {
    let Dynamic::Map(mut decided) = decided else { return decided };
    for name in schema.attributes.keys().filter(|name| !config.get(name).is_null()) {
        let before = prior.get(name);
        if before.is_null() || decided.get(name) != Some(before) {
            decided.insert(name.clone(), base.get(name).clone());
        }
    }
    Dynamic::Map(decided)
}

/// Attributes whose change replaces the object and which differ between `prior` and `planned`.
pub fn replacements(schema: &Schema, prior: &Dynamic, planned: &Dynamic) -> Vec<Path> {
    let changed = |name: &&String| prior.get(name) != planned.get(name);
    schema
        .attributes
        .iter()
        .filter(|(_, attribute)| attribute.forces_replacement)
        .map(|(name, _)| name)
        .filter(changed)
        .map(|name| Path::attribute(name.clone()))
        .collect()
}

/// `value` with each GUID that differs from one of `like` by case alone spelled as it is there: of a stored state, the spelling of
/// the configuration stays; what apply answers has to equal what was planned.
pub fn respelled(schema: &Schema, value: Dynamic, like: &Dynamic) -> Dynamic {
    let Dynamic::Map(mut parts) = value else { return value };
    for (name, attribute) in &schema.attributes {
        let (Some(part), like) = (parts.get_mut(name), like.get(name)) else { continue };
        let whole = std::mem::take(part);
        *part = match (&attribute.shape, whole, like) {
            (shape, whole, _) if attribute.ignores_case() => sorted(shape, spelled(whole, like)),
            (Shape::Object(inner), whole, _) => respelled(inner, whole, like),
            (Shape::ObjectMap(inner), Dynamic::Map(items), _) => Dynamic::Map(
                items.into_iter().map(|(key, item)| (key.clone(), respelled(inner, item, like.get(&key)))).collect(),
            ),
            (Shape::ObjectList(inner), Dynamic::List(items), Dynamic::List(before)) => {
                let before = before.iter().chain(std::iter::repeat(&Dynamic::Null));
                Dynamic::List(items.into_iter().zip(before).map(|(item, like)| respelled(inner, item, like)).collect())
            }
            (_, whole, _) => whole,
        };
    }
    Dynamic::Map(parts)
}

/// A GUID, or a collection of such, in the spelling of `like`.
fn spelled(value: Dynamic, like: &Dynamic) -> Dynamic {
    match (value, like) {
        (Dynamic::String(text), Dynamic::String(known)) if text.eq_ignore_ascii_case(known) => like.clone(),
        (Dynamic::List(items), Dynamic::List(known)) => {
            let one = |item: Dynamic| {
                let mut known = known.iter();
                known.find(|known| lower((*known).clone()) == lower(item.clone())).cloned().unwrap_or(item)
            };
            Dynamic::List(items.into_iter().map(one).collect())
        }
        (Dynamic::Map(items), known) => {
            Dynamic::Map(items.into_iter().map(|(key, item)| (key.clone(), spelled(item, known.get(&key)))).collect())
        }
        (value, _) => value,
    }
}

/// A GUID, or a collection of such, in lower case. Other texts, such as names that may stand in place of an id, stay as they are.
fn lower(value: Dynamic) -> Dynamic {
    match value {
        Dynamic::String(text) if names_id(&text) => Dynamic::String(text.to_lowercase()),
        Dynamic::List(items) => Dynamic::List(items.into_iter().map(lower).collect()),
        Dynamic::Map(items) => Dynamic::Map(items.into_iter().map(|(key, item)| (key, lower(item))).collect()),
        other => other,
    }
}

/// Whether it is a GUID, or ends with one, as the spelling of a further credential of one id does.
fn names_id(text: &str) -> bool {
    text.rsplit('/').next().is_some_and(super::is_guid)
}

/// A set's elements in the order in which sets compare.
fn sorted(shape: &Shape, value: Dynamic) -> Dynamic {
    match (shape, value) {
        (Shape::Plain(Type::Set(_)), Dynamic::List(items)) => Dynamic::set(items),
        (_, value) => value,
    }
}

/// `value` (an identity) with its GUIDs in lower case.
pub fn folded(schema: &Schema, value: Dynamic) -> Dynamic {
    let Dynamic::Map(parts) = value else { return value };
    let folded = |(name, part): (String, Dynamic)| {
        let guid = schema.attributes.get(&name).is_some_and(Attribute::ignores_case);
        (name, if guid { lower(part) } else { part })
    };
    Dynamic::Map(parts.into_iter().map(folded).collect())
}

/// The attributes of `schema` (an identity's) as `state` has them, GUIDs in lower case; null unless all that it requires are known.
pub fn project(schema: &Schema, state: &Dynamic) -> Dynamic {
    if state.is_null() {
        return Dynamic::Null;
    }
    let parts: BTreeMap<_, _> = schema.attributes.keys().map(|name| (name.clone(), state.get(name).clone())).collect();
    let missing = schema.attributes.iter().any(|(name, attribute)| {
        parts.get(name).is_none_or(|part| part.is_unknown() || (attribute.required && part.is_null()))
    });
    if missing { Dynamic::Null } else { folded(schema, Dynamic::Map(parts)) }
}

#[cfg(test)]
mod tests {
    use super::super::cli_rules::{apply_faults, plan_faults};
    use super::*;

    fn attribute(optional: bool, computed: bool) -> Attribute {
        Attribute {
            description: "x".into(),
            shape: Shape::Plain(Type::String),
            required: !optional && !computed,
            optional,
            computed,
            sensitive: false,
            deprecated: false,
            default: None,
            forces_replacement: false,
            keeps_state: false,
            checks: Vec::new(),
        }
    }

    fn schema() -> Schema {
        let mut schema = Schema::default();
        schema.attributes.insert("name".into(), Attribute { forces_replacement: true, ..attribute(false, false) });
        schema.attributes.insert("mode".into(), Attribute { default: Some("plain".into()), ..attribute(true, true) });
        schema.attributes.insert("id".into(), Attribute { keeps_state: true, ..attribute(false, true) });
        schema.attributes.insert("status".into(), attribute(false, true));
        schema
    }

    fn object_of(parts: &[(&str, Dynamic)]) -> Dynamic {
        Dynamic::Map(parts.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
    }

    fn config(name: &str) -> Dynamic {
        object_of(&[("name", name.into()), ("mode", Dynamic::Null), ("id", Dynamic::Null), ("status", Dynamic::Null)])
    }

    fn prior() -> Dynamic {
        object_of(&[("name", "a".into()), ("mode", "plain".into()), ("id", "1".into()), ("status", "fine".into())])
    }

    #[test]
    fn a_create_plans_defaults_and_leaves_computed_values_unknown() {
        let planned = initial(&schema(), &Dynamic::Null, &config("a"));
        assert_eq!(*planned.get("mode"), "plain".into());
        assert!(planned.get("id").is_unknown());
        assert_eq!(plan_faults(&schema(), &Dynamic::Null, &config("a"), &planned), Vec::<String>::new());
    }

    #[test]
    fn no_change_plans_exactly_the_prior_state() {
        assert_eq!(initial(&schema(), &prior(), &config("a")), prior());
    }

    #[test]
    fn a_change_keeps_what_keeps_its_state_and_doubts_the_rest() {
        let planned = initial(&schema(), &prior(), &config("b"));
        assert_eq!(*planned.get("id"), "1".into());
        assert!(planned.get("status").is_unknown());
        assert_eq!(replacements(&schema(), &prior(), &planned), vec![Path::attribute("name")]);
    }

    #[test]
    fn the_checks_find_a_plan_that_differs_from_its_configuration() {
        let planned =
            object_of(&[("name", "z".into()), ("mode", "plain".into()), ("id", "1".into()), ("status", "fine".into())]);
        assert_eq!(plan_faults(&schema(), &prior(), &config("b"), &planned).len(), 1);
    }

    #[test]
    fn the_checks_find_an_applied_value_that_was_not_planned() {
        let mut applied = prior();
        let Dynamic::Map(parts) = &mut applied else { unreachable!() };
        parts.insert("status".into(), "other".into());
        assert_eq!(apply_faults(&prior(), &applied).len(), 1);
        assert_eq!(apply_faults(&initial(&schema(), &Dynamic::Null, &config("a")), &prior()), Vec::<String>::new());
    }

    #[test]
    fn a_planned_element_is_there_after_apply_and_an_unknown_one_becomes_any() {
        let planned = Dynamic::List(vec![Dynamic::unknown(), "a".into()]);
        let applied = |all: &[&str]| Dynamic::List(all.iter().map(|one| Dynamic::from(*one)).collect());
        assert_eq!(apply_faults(&planned, &applied(&["a", "b"])), Vec::<String>::new());
        assert_eq!(apply_faults(&planned, &applied(&["b", "c"])).len(), 1);
        assert_eq!(apply_faults(&planned, &applied(&["a", "b", "c"])).len(), 1);
    }

    #[test]
    fn a_collection_of_which_a_part_is_unknown_is_planned_as_it_was_written() {
        let mut schema = schema();
        let tags = Attribute { shape: Shape::Plain(Type::Set(Box::new(Type::String))), ..attribute(true, false) };
        schema.attributes.insert("tags".into(), tags);
        let Dynamic::Map(mut config) = config("a") else { unreachable!() };
        config.insert("tags".into(), Dynamic::List(vec!["x".into(), Dynamic::unknown()]));
        let config = Dynamic::Map(config);
        let base = initial(&schema, &Dynamic::Null, &config);
        // A struct can only say that the whole is unknown.
        let Dynamic::Map(mut decided) = base.clone() else { unreachable!() };
        decided.insert("tags".into(), Dynamic::unknown());
        let planned = overlay(&schema, &base, Dynamic::Map(decided), &Dynamic::Null, &config);
        assert_eq!(plan_faults(&schema, &Dynamic::Null, &config, &planned), Vec::<String>::new());
        assert_eq!(planned.get("tags"), config.get("tags"));
    }

    #[test]
    fn of_what_is_configured_a_hook_may_plan_the_prior_value_and_no_third_one() {
        let base = initial(&schema(), &prior(), &config("A"));
        let decided = |name: &str| {
            let Dynamic::Map(mut decided) = base.clone() else { unreachable!() };
            decided.insert("name".into(), name.into());
            Dynamic::Map(decided)
        };
        for (says, planned) in [("a", "a"), ("A", "A"), ("z", "A")] {
            let planned_as = overlay(&schema(), &base, decided(says), &prior(), &config("A"));
            assert_eq!(*planned_as.get("name"), planned.into());
            assert_eq!(plan_faults(&schema(), &prior(), &config("A"), &planned_as), Vec::<String>::new());
        }
        // Where nothing was, there is nothing to keep.
        let base = initial(&schema(), &Dynamic::Null, &config("A"));
        assert_eq!(*overlay(&schema(), &base, decided("a"), &Dynamic::Null, &config("A")).get("name"), "A".into());
    }
}
