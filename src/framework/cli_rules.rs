//! The CLI's own rules for plans and for what apply returns, to hold the provider to in tests. Source: `objchange.AssertPlanValid` and
//! `objchange.AssertObjectCompatible` of the CLI, whose messages begin with "Provider produced invalid plan" and "Provider produced
//! inconsistent result after apply".

use crate::framework::{Dynamic, Path, Schema, Shape, Step};

/// What in a plan the CLI would refuse, as paths with reasons.
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
        let (c, p, n) = (config.get(name), prior.get(name), planned.get(name));
        let same = |a: &Dynamic, b: &Dynamic| a == b || (a.is_unknown() && b.is_unknown());
        if c.is_null() {
            if !attribute.computed && !n.is_null() {
                faults.push(format!("{at}: planned value for a non-computed attribute"));
            }
        } else if !(same(n, c) || (n == p && !p.is_null())) {
            check_nested(&attribute.shape, p, c, n, &at, faults);
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
                check_object(inner, prior.get(key), config.get(key), planned.get(key), &at, faults);
            }
        }
        (Shape::ObjectList(inner), Dynamic::List(written), Dynamic::List(found)) if written.len() == found.len() => {
            for ((written, found), index) in written.iter().zip(found).zip(0..) {
                let before = match prior {
                    Dynamic::List(before) => usize::try_from(index).ok().and_then(|index| before.get(index)),
                    _ => None,
                };
                let at = at.then(Step::Index(index));
                check_object(inner, before.unwrap_or(&Dynamic::Null), written, found, &at, faults);
            }
        }
        _ => faults.push(format!("{at}: planned value does not match the configured value")),
    }
}

/// Where what was applied differs from what was planned, as paths with reasons.
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
                faults.push(format!("{at}: {} was planned and is not there", shown(known)));
            }
        }
        (planned, applied) if planned == applied => {}
        _ => faults.push(format!("{at}: was {}, but now {}", shown(planned), shown(applied))),
    }
}

/// What a first plan knew and the final plan has otherwise, as paths with reasons: the CLI's "Provider produced inconsistent final
/// plan" is the same rule as for an applied value, but for what is still unknown.
pub fn final_faults(first: &Dynamic, last: &Dynamic) -> Vec<String> {
    let faults = apply_faults(first, last);
    faults.into_iter().filter(|fault| !fault.ends_with("unknown after apply")).collect()
}

/// A value in words: its own `Debug` shows no more than its shape.
fn shown(value: &Dynamic) -> String {
    match value {
        Dynamic::Bool(value) => value.to_string(),
        Dynamic::Number(number) => number.as_str().to_owned(),
        Dynamic::String(text) => format!("{text:?}"),
        Dynamic::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Dynamic::Map(items) => {
            let items = items.iter().map(|(key, item)| format!("{key}: {}", shown(item)));
            format!("{{{}}}", items.collect::<Vec<_>>().join(", "))
        }
        other => format!("{other:?}"),
    }
}
