//! JSON → [`Dynamic`], guided by a type: stored states, and defaults of models.

use super::dynamic::{Dynamic, Type};
use serde_json::Value as Json;

/// The value that `json` is as a `shape`. Attributes that are missing become null, those that the type lacks are left out.
/// Fails with a text that says what does not fit.
pub fn from_json(shape: &Type, json: &Json) -> Result<Dynamic, String> {
    Ok(match (shape, json) {
        (_, Json::Null) => Dynamic::Null,
        (Type::String, Json::String(text)) => Dynamic::String(text.clone()),
        (Type::Bool, Json::Bool(value)) => Dynamic::Bool(*value),
        (Type::Number, Json::Number(number)) => super::model::number(number),
        (Type::List(element), Json::Array(items)) => {
            Dynamic::List(items.iter().map(|item| from_json(element, item)).collect::<Result<_, _>>()?)
        }
        (Type::Set(element), Json::Array(items)) => {
            let mut items = items.iter().map(|item| from_json(element, item)).collect::<Result<Vec<_>, _>>()?;
            items.sort();
            items.dedup();
            Dynamic::List(items)
        }
        (Type::Map(element), Json::Object(items)) => Dynamic::Map(
            items
                .iter()
                .map(|(key, item)| Ok((key.clone(), from_json(element, item)?)))
                .collect::<Result<_, String>>()?,
        ),
        (Type::Object(attributes), Json::Object(items)) => Dynamic::Map(
            attributes
                .iter()
                .map(|(name, shape)| {
                    let value = items.get(name).map_or(Ok(Dynamic::Null), |item| from_json(shape, item));
                    value.map(|value| (name.clone(), value)).map_err(|why| format!("`{name}`: {why}"))
                })
                .collect::<Result<_, _>>()?,
        ),
        _ => return Err(format!("{shape:?} does not fit the stored value's type")),
    })
}
