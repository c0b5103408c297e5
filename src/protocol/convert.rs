//! Schemas, diagnostics and paths as the wire has them.

use super::generated::tfplugin6 as wire;
use crate::framework::schema::{Function, Parameter};
use crate::framework::{Attribute, Diagnostic, Path, Schema, Severity, Shape, Step, Type};
use std::collections::HashMap;

/// What this provider can do beyond the base protocol.
pub(super) fn capabilities() -> wire::ServerCapabilities {
    wire::ServerCapabilities {
        plan_destroy: true,
        get_provider_schema_optional: true,
        move_resource_state: true,
        generate_resource_config: false,
    }
}

pub(super) fn diagnostics(found: Vec<Diagnostic>) -> Vec<wire::Diagnostic> {
    found.into_iter().map(diagnostic).collect()
}

fn diagnostic(found: Diagnostic) -> wire::Diagnostic {
    let severity = match found.severity {
        Severity::Error => wire::diagnostic::Severity::Error,
        Severity::Warning => wire::diagnostic::Severity::Warning,
    };
    wire::Diagnostic {
        severity: severity.into(),
        summary: found.summary,
        detail: found.detail,
        attribute: found.path.as_ref().map(path),
    }
}

pub(super) fn path(path: &Path) -> wire::AttributePath {
    use wire::attribute_path::step::Selector;
    let selector = |step: &Step| match step {
        Step::Attribute(name) => Selector::AttributeName(name.clone()),
        Step::Key(key) => Selector::ElementKeyString(key.clone()),
        Step::Index(index) => Selector::ElementKeyInt(*index),
    };
    wire::AttributePath {
        steps: path.0.iter().map(|step| wire::attribute_path::Step { selector: Some(selector(step)) }).collect(),
    }
}

/// A type in the notation of the CLI's type system.
fn type_json(shape: &Type) -> serde_json::Value {
    use serde_json::json;
    match shape {
        Type::String => json!("string"),
        Type::Bool => json!("bool"),
        Type::Number => json!("number"),
        Type::List(element) => json!(["list", type_json(element)]),
        Type::Set(element) => json!(["set", type_json(element)]),
        Type::Map(element) => json!(["map", type_json(element)]),
        Type::Object(attributes) => {
            let attributes: serde_json::Map<_, _> =
                attributes.iter().map(|(name, shape)| (name.clone(), type_json(shape))).collect();
            json!(["object", attributes])
        }
    }
}

fn type_bytes(shape: &Type) -> prost::bytes::Bytes {
    type_json(shape).to_string().into_bytes().into()
}

pub(super) fn schema(schema: &Schema) -> wire::Schema {
    let block = wire::schema::Block {
        version: schema.version,
        attributes: attributes(schema),
        description: schema.description.clone(),
        description_kind: wire::StringKind::Markdown.into(),
        ..Default::default()
    };
    wire::Schema { version: schema.version, block: Some(block) }
}

fn attributes(schema: &Schema) -> Vec<wire::schema::Attribute> {
    schema.attributes.iter().map(|(name, one)| attribute(name, one)).collect()
}

fn attribute(name: &str, attribute: &Attribute) -> wire::schema::Attribute {
    use wire::schema::object::NestingMode;
    let nested = |schema: &Schema, nesting: NestingMode| wire::schema::Object {
        attributes: attributes(schema),
        nesting: nesting.into(),
        ..Default::default()
    };
    let (plain, nested_type) = match &attribute.shape {
        Shape::Plain(shape) => (type_bytes(shape), None),
        Shape::Object(schema) => (Default::default(), Some(nested(schema, NestingMode::Single))),
        Shape::ObjectList(schema) => (Default::default(), Some(nested(schema, NestingMode::List))),
        Shape::ObjectMap(schema) => (Default::default(), Some(nested(schema, NestingMode::Map))),
    };
    wire::schema::Attribute {
        name: name.to_owned(),
        r#type: plain,
        nested_type,
        description: attribute.description.clone(),
        description_kind: wire::StringKind::Markdown.into(),
        required: attribute.required,
        optional: attribute.optional,
        computed: attribute.computed,
        sensitive: attribute.sensitive,
        deprecated: attribute.deprecated,
        write_only: attribute.write_only,
        ..Default::default()
    }
}

pub(super) fn identity_schema(schema: &Schema) -> wire::ResourceIdentitySchema {
    let attribute = |(name, one): (&String, &Attribute)| wire::resource_identity_schema::IdentityAttribute {
        name: name.clone(),
        r#type: type_bytes(&one.shape.value_type()),
        required_for_import: one.required,
        optional_for_import: !one.required,
        description: one.description.clone(),
    };
    wire::ResourceIdentitySchema {
        version: schema.version,
        identity_attributes: schema.attributes.iter().map(attribute).collect(),
    }
}

pub(super) fn functions(functions: &std::collections::BTreeMap<String, Function>) -> HashMap<String, wire::Function> {
    functions.iter().map(|(name, one)| (name.clone(), function(one))).collect()
}

fn function(function: &Function) -> wire::Function {
    let parameter = |one: &Parameter| wire::function::Parameter {
        name: one.name.clone(),
        r#type: type_bytes(&one.value_type),
        description: one.description.clone(),
        description_kind: wire::StringKind::Markdown.into(),
        ..Default::default()
    };
    wire::Function {
        parameters: function.parameters.iter().map(parameter).collect(),
        variadic_parameter: function.variadic.as_ref().map(parameter),
        r#return: Some(wire::function::Return { r#type: type_bytes(&function.returns) }),
        summary: function.summary.clone(),
        description: function.description.clone(),
        description_kind: wire::StringKind::Markdown.into(),
        ..Default::default()
    }
}
