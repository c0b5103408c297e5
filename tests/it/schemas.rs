//! The schemas as a snapshot: a change of what users see is a change of this file, on purpose.

use std::fmt::Write;
use terraform_provider_m365::framework::{Dynamic, Schema, Shape};
use terraform_provider_m365::registry;

/// One line per attribute: name, type, and what may be done with it.
fn lines(schema: &Schema, indent: usize, out: &mut String) {
    for (name, attribute) in &schema.attributes {
        let nested = match &attribute.shape {
            Shape::Plain(plain) => format!("{plain:?}"),
            Shape::Object(_) => "object".to_owned(),
            Shape::ObjectList(_) => "list of objects".to_owned(),
            Shape::ObjectMap(_) => "map of objects".to_owned(),
        };
        let flags = [
            ("required", attribute.required),
            ("optional", attribute.optional),
            ("computed", attribute.computed),
            ("sensitive", attribute.sensitive),
            ("replaces", attribute.forces_replacement),
            ("keeps", attribute.keeps_state),
        ];
        let flags: Vec<_> = flags.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
        let default = attribute.default.as_ref().map(|default| format!(" = {}", written(default))).unwrap_or_default();
        writeln!(out, "{:indent$}{name}: {nested} [{}]{default}", "", flags.join(" ")).unwrap();
        if let Shape::Object(inner) | Shape::ObjectList(inner) | Shape::ObjectMap(inner) = &attribute.shape {
            lines(inner, indent + 2, out);
        }
    }
}

/// A default; its own `Debug` shows no more than a shape.
fn written(value: &Dynamic) -> String {
    match value {
        Dynamic::Bool(value) => format!("Bool({value})"),
        Dynamic::String(text) => format!("String({text:?})"),
        Dynamic::List(items) => format!("List([{}])", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        other => panic!("no schema has had a default like {other:?}"),
    }
}

#[test]
fn the_schemas_are_as_recorded() {
    let server = registry::server();
    let mut text = String::from("provider\n");
    lines(server.schema(), 2, &mut text);
    for (name, one) in server.resources() {
        writeln!(text, "resource {name}, version {}", one.schema().version).unwrap();
        lines(one.schema(), 2, &mut text);
        writeln!(text, "identity of {name}").unwrap();
        lines(one.identity(), 2, &mut text);
    }
    for (name, one) in server.data_sources() {
        writeln!(text, "data source {name}").unwrap();
        lines(one.schema(), 2, &mut text);
    }
    for (name, one) in server.ephemeral_resources() {
        writeln!(text, "ephemeral resource {name}").unwrap();
        lines(one.schema(), 2, &mut text);
    }
    for (name, one) in server.functions() {
        let parameters: Vec<_> = one
            .parameters()
            .iter()
            .chain(one.variadic())
            .map(|one| format!("{}: {:?}", one.name, one.value_type))
            .collect();
        let rest = if one.variadic().is_some() { "..." } else { "" };
        writeln!(text, "function {name}({}{rest}) -> {:?}", parameters.join(", "), one.returns()).unwrap();
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/schemas.txt");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == recorded, "the schemas have changed; if that is meant: UPDATE_SNAPSHOTS=1 cargo test schemas");
}
