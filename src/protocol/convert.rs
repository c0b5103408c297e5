//! Schemas, values, diagnostics and paths as the wire has them.

use super::generated::tfplugin6 as wire;
use super::msgpack;
use crate::framework::{
    All, Attribute, Diagnostic, Dynamic, Parameter, Path, Schema, ServedFunction, Severity, Shape, Step, Type,
    from_json_text,
};
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

/// What is served of one kind, each as `converted`.
pub(super) fn by_name<T: ?Sized, W>(all: &All<T>, converted: impl Fn(&T) -> W) -> HashMap<String, W> {
    all.iter().map(|(name, one)| ((*name).to_owned(), converted(one))).collect()
}

pub(super) fn function(function: &dyn ServedFunction) -> wire::Function {
    let parameter = |one: &Parameter| wire::function::Parameter {
        name: one.name.clone(),
        r#type: type_bytes(&one.value_type),
        allow_null_value: one.nullable,
        description: one.description.clone(),
        description_kind: wire::StringKind::Markdown.into(),
        ..Default::default()
    };
    wire::Function {
        parameters: function.parameters().iter().map(parameter).collect(),
        variadic_parameter: function.variadic().map(parameter),
        r#return: Some(wire::function::Return { r#type: type_bytes(function.returns()) }),
        summary: function.description().split("\n\n").next().unwrap_or_default().to_owned(),
        description: function.description().to_owned(),
        description_kind: wire::StringKind::Markdown.into(),
        ..Default::default()
    }
}

/// The value that the wire carries. Absent and empty both mean null.
pub(super) fn decode(value: Option<wire::DynamicValue>, shape: &Type) -> Result<Dynamic, Diagnostic> {
    let Some(value) = value else { return Ok(Dynamic::Null) };
    let misfit = |why: String| Diagnostic::bug(format!("a value from the CLI does not decode: {why}"));
    if !value.msgpack.is_empty() {
        return msgpack::decode(&value.msgpack, shape).map_err(|why| misfit(why.to_string()));
    }
    if value.json.is_empty() {
        return Ok(Dynamic::Null);
    }
    from_json_text(shape, &value.json).map_err(misfit)
}

pub(super) fn decode_identity(
    identity: Option<wire::ResourceIdentityData>,
    shape: &Type,
) -> Result<Dynamic, Diagnostic> {
    decode(identity.and_then(|identity| identity.identity_data), shape)
}

pub(super) fn encode(value: &Dynamic, shape: &Type) -> Result<wire::DynamicValue, Diagnostic> {
    let msgpack = msgpack::encode(value, shape)
        .map_err(|why| Diagnostic::bug(format!("a value for the CLI does not fit its schema: {why}")))?;
    Ok(wire::DynamicValue { msgpack: msgpack.into(), ..Default::default() })
}

/// A state after a write. What does not fit its schema is answered as it was planned, with the fault: an object that nobody knows of
/// would be worse.
pub(super) fn encode_state(
    state: &Dynamic,
    planned: Dynamic,
    shape: &Type,
    found: &mut Vec<Diagnostic>,
) -> Option<wire::DynamicValue> {
    match encode(state, shape) {
        Ok(state) => Some(state),
        Err(why) => {
            found.push(why);
            encode(&planned.unknown_as_null(), shape).ok()
        }
    }
}

pub(super) fn encode_identity(
    identity: &Dynamic,
    shape: &Type,
) -> Result<Option<wire::ResourceIdentityData>, Diagnostic> {
    if identity.is_null() {
        return Ok(None);
    }
    Ok(Some(wire::ResourceIdentityData { identity_data: Some(encode(identity, shape)?) }))
}

/// A stored state or identity as JSON.
pub(super) fn stored_json(raw: Option<wire::RawState>) -> Result<Vec<u8>, Diagnostic> {
    match raw {
        Some(raw) if !raw.json.is_empty() => Ok(raw.json.to_vec()),
        _ => Err(Diagnostic::error("The stored state is of a format that is too old")
            .help("It was written by a CLI before version 0.12, before this provider existed.")),
    }
}

pub(super) fn timestamp(at: jiff::Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}
