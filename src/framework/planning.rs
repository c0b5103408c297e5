//! What a schema alone decides of a plan: configured values stay as written, defaults fill gaps, computed values are kept or
//! become unknown. Resources refine the rest. Pure functions.

use super::diagnostic::{Path, Step};
use super::dynamic::Dynamic;
use super::schema::{Schema, Shape};
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
        let (before, written) = (prior.attribute(name), config.attribute(name));
        let planned = if attribute.write_only {
            Dynamic::Null
        } else if !written.is_null() {
            nested(&attribute.shape, &before, &written, undecided)
        } else if let Some(default) = &attribute.default {
            default.clone()
        } else if attribute.computed {
            undecided(attribute.keeps_state).unwrap_or(before)
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
            items
                .iter()
                .map(|(key, item)| (key.clone(), object(inner, &prior.attribute(key), item, undecided)))
                .collect(),
        ),
        (Shape::ObjectList(inner), Dynamic::List(items)) => {
            let before = |index| match prior {
                Dynamic::List(list) => list.get(index).cloned().unwrap_or_default(),
                _ => Dynamic::Null,
            };
            Dynamic::List(
                items.iter().enumerate().map(|(index, item)| object(inner, &before(index), item, undecided)).collect(),
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
/// which one part is unknown, nor a refinement.
pub fn overlay(schema: &Schema, base: &Dynamic, decided: Dynamic, config: &Dynamic) -> Dynamic {
    let Dynamic::Map(mut decided) = decided else { return decided };
    for name in schema.attributes.keys() {
        if !config.attribute(name).is_null() {
            decided.insert(name.clone(), base.attribute(name));
        }
    }
    Dynamic::Map(decided)
}

/// Attributes whose change replaces the object and which differ between `prior` and `planned`.
pub fn replacements(schema: &Schema, prior: &Dynamic, planned: &Dynamic) -> Vec<Path> {
    let changed = |name: &&String| prior.attribute(name) != planned.attribute(name);
    schema
        .attributes
        .iter()
        .filter(|(_, attribute)| attribute.forces_replacement)
        .map(|(name, _)| name)
        .filter(changed)
        .map(|name| Path::attribute(name.clone()))
        .collect()
}

/// The attributes of `schema` (an identity's) as `state` has them; null unless all that it requires are known.
pub fn project(schema: &Schema, state: &Dynamic) -> Dynamic {
    if state.is_null() {
        return Dynamic::Null;
    }
    let parts: BTreeMap<_, _> = schema.attributes.keys().map(|name| (name.clone(), state.attribute(name))).collect();
    let missing = schema.attributes.iter().any(|(name, attribute)| {
        parts.get(name).is_none_or(|part| part.is_unknown() || (attribute.required && part.is_null()))
    });
    if missing { Dynamic::Null } else { Dynamic::Map(parts) }
}

/// Test helper, from the CLI's own rules: what in a plan the CLI would refuse, as paths with reasons.
/// Source: the notes on "Provider produced invalid plan" in `docs/architecture.md`.
pub fn plan_faults(schema: &Schema, prior: &Dynamic, config: &Dynamic, planned: &Dynamic) -> Vec<String> {
    let mut faults = Vec::new();
    check_object(schema, prior, config, planned, &Path::default(), &mut faults);
    faults
}

fn check_object(
    schema: &Schema,
    prior: &Dynamic,
    config: &Dynamic,
    planned: &Dynamic,
    at: &Path,
    faults: &mut Vec<String>,
) {
    if planned.is_null() != config.is_null() {
        faults.push(format!("{at}: presence differs from the configuration"));
        return;
    }
    if config.is_unknown() || config.is_null() {
        return;
    }
    if planned.is_unknown() {
        faults.push(format!("{at}: planned unknown for a configured value"));
        return;
    }
    for (name, attribute) in &schema.attributes {
        let at = at.then(Step::Attribute(name.clone()));
        let (c, p, n) = (config.attribute(name), prior.attribute(name), planned.attribute(name));
        let same = |a: &Dynamic, b: &Dynamic| a == b || (a.is_unknown() && b.is_unknown());
        if attribute.write_only {
            if !n.is_null() {
                faults.push(format!("{at}: a write-only value is planned"));
            }
        } else if c.is_null() {
            if !attribute.computed && !n.is_null() {
                faults.push(format!("{at}: planned value for a non-computed attribute"));
            }
        } else if !(same(&n, &c) || (n == p && !p.is_null())) {
            check_nested(&attribute.shape, &p, &c, &n, &at, faults);
        }
    }
}

fn check_nested(
    shape: &Shape,
    prior: &Dynamic,
    config: &Dynamic,
    planned: &Dynamic,
    at: &Path,
    faults: &mut Vec<String>,
) {
    match (shape, config, planned) {
        (Shape::Object(inner), _, _) => check_object(inner, prior, config, planned, at, faults),
        (Shape::ObjectMap(inner), Dynamic::Map(written), Dynamic::Map(found)) if written.keys().eq(found.keys()) => {
            for key in written.keys() {
                let at = at.then(Step::Key(key.clone()));
                check_object(
                    inner,
                    &prior.attribute(key),
                    &config.attribute(key),
                    &planned.attribute(key),
                    &at,
                    faults,
                );
            }
        }
        _ => faults.push(format!("{at}: planned value does not match the configured value")),
    }
}

/// Test helper, from the CLI's own rules: where what was applied differs from what was planned, as paths with reasons.
pub fn apply_faults(planned: &Dynamic, applied: &Dynamic) -> Vec<String> {
    let mut faults = Vec::new();
    check_applied(planned, applied, &Path::default(), &mut faults);
    faults
}

fn check_applied(planned: &Dynamic, applied: &Dynamic, at: &Path, faults: &mut Vec<String>) {
    match (planned, applied) {
        (_, Dynamic::Unknown(_)) => faults.push(format!("{at}: unknown after apply")),
        (Dynamic::Unknown(_), _) => {
            if !applied.is_wholly_known() {
                faults.push(format!("{at}: partly unknown after apply"));
            }
        }
        (Dynamic::Map(planned), Dynamic::Map(applied)) if planned.keys().eq(applied.keys()) => {
            for (key, before) in planned {
                let at = at.then(if at.0.is_empty() { Step::Attribute(key.clone()) } else { Step::Key(key.clone()) });
                check_applied(before, applied.get(key).unwrap_or(&Dynamic::Null), &at, faults);
            }
        }
        (Dynamic::List(planned), Dynamic::List(applied)) if planned.iter().any(|item| !item.is_wholly_known()) => {
            if applied.len() > planned.len() {
                faults.push(format!("{at}: more elements than planned"));
            }
            for known in planned.iter().filter(|item| item.is_wholly_known() && !applied.contains(item)) {
                faults.push(format!("{at}: {known:?} was planned and is not there"));
            }
        }
        (planned, applied) if planned == applied => {}
        _ => faults.push(format!("{at}: was {planned:?}, but now {applied:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::dynamic::Type;
    use super::super::schema::Attribute;
    use super::*;

    fn attribute(optional: bool, computed: bool) -> Attribute {
        Attribute {
            description: "x".into(),
            shape: Shape::Plain(Type::String),
            required: !optional && !computed,
            optional,
            computed,
            sensitive: false,
            write_only: false,
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
        assert_eq!(planned.attribute("mode"), "plain".into());
        assert!(planned.attribute("id").is_unknown());
        assert_eq!(plan_faults(&schema(), &Dynamic::Null, &config("a"), &planned), Vec::<String>::new());
    }

    #[test]
    fn no_change_plans_exactly_the_prior_state() {
        assert_eq!(initial(&schema(), &prior(), &config("a")), prior());
    }

    #[test]
    fn a_change_keeps_what_keeps_its_state_and_doubts_the_rest() {
        let planned = initial(&schema(), &prior(), &config("b"));
        assert_eq!(planned.attribute("id"), "1".into());
        assert!(planned.attribute("status").is_unknown());
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
        let planned = overlay(&schema, &base, Dynamic::Map(decided), &config);
        assert_eq!(plan_faults(&schema, &Dynamic::Null, &config, &planned), Vec::<String>::new());
        assert_eq!(planned.attribute("tags"), config.attribute("tags"));
    }
}
