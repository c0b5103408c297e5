//! The schemas as a snapshot: a change of what users see is a change of this file, on purpose.

use std::fmt::Write;
use terraform_provider_m365::framework::{Schema, Shape};
use terraform_provider_m365::provider;

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
            ("write-only", attribute.write_only),
            ("replaces", attribute.forces_replacement),
            ("keeps", attribute.keeps_state),
        ];
        let flags: Vec<_> = flags.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
        let default = attribute.default.as_ref().map(|default| format!(" = {default:?}")).unwrap_or_default();
        writeln!(out, "{:indent$}{name}: {nested} [{}]{default}", "", flags.join(" ")).unwrap();
        if let Shape::Object(inner) | Shape::ObjectList(inner) | Shape::ObjectMap(inner) = &attribute.shape {
            lines(inner, indent + 2, out);
        }
    }
}

#[test]
fn the_schemas_are_as_recorded() {
    let plugin = provider::plugin();
    let schemas = plugin.schemas();
    let mut text = String::from("provider\n");
    lines(&schemas.provider, 2, &mut text);
    for (name, (schema, identity)) in &schemas.resources {
        writeln!(text, "resource {name}, version {}", schema.version).unwrap();
        lines(schema, 2, &mut text);
        writeln!(text, "identity of {name}").unwrap();
        lines(identity, 2, &mut text);
    }
    for (name, schema) in &schemas.data_sources {
        writeln!(text, "data source {name}").unwrap();
        lines(schema, 2, &mut text);
    }
    for (name, schema) in &schemas.ephemeral_resources {
        writeln!(text, "ephemeral resource {name}").unwrap();
        lines(schema, 2, &mut text);
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/schemas.txt");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == recorded, "the schemas have changed; if that is meant: UPDATE_SNAPSHOTS=1 cargo test schemas");
}
