//! What Graph writes around its answers. Source: OData 4.01 JSON format (context URLs), and the examples in Microsoft's documentation of
//! each request.

use super::call::Call;
use super::odata::unescape;
use super::store::Object;
use axum::http::Method;
use serde_json::{Map, Value};

/// Puts the context URL in front. `segments`: the path as it was understood.
pub(super) fn with_context(call: &Call, segments: &[&str], body: Value) -> Value {
    let Value::Object(body) = body else { return body };
    let is_list = body.get("value").is_some_and(Value::is_array);
    let Some(set) = set(call, segments) else { return Value::Object(body) };
    let select = selected(call).filter(|_| call.method == Method::GET);
    let select = select.map(|names| format!("({names})")).unwrap_or_default();
    let end = if is_list || set.starts_with("microsoft.") { "" } else { "/$entity" };
    let version = call.base.trim_end_matches('/');
    let context = format!("{version}/$metadata#{set}{select}{end}");
    let first = [("@odata.context".to_owned(), Value::from(context))];
    Value::Object(first.into_iter().chain(body).collect::<Map<_, _>>())
}

fn selected(call: &Call) -> Option<String> {
    let pairs = call.query.split('&').filter_map(|pair| pair.split_once('='));
    let name = |text: &str| unescape(text).trim_start_matches('$').eq_ignore_ascii_case("select");
    pairs.into_iter().find(|(text, _)| name(text)).map(|(_, names)| unescape(names))
}

/// The entity set or type that an answer is of.
fn set(call: &Call, segments: &[&str]) -> Option<String> {
    let collection = segments.first()?.split('(').next()?;
    let of = |id: &str, part: &str| Some(format!("{collection}('{id}')/{part}"));
    match segments.get(1..)? {
        ["directory", part] if collection == "roleManagement" => Some(format!("roleManagement/directory/{part}")),
        ["directory", part, _] if collection == "roleManagement" => Some(format!("roleManagement/directory/{part}")),
        _ if collection == "directory" => deleted(segments.get(2..)?),
        ["getByIds"] => Some("directoryObjects".to_owned()),
        [] | [_] if collection != "policies" => Some(collection.to_owned()),
        [policy, ..] if collection == "policies" => Some(format!("policies/{policy}")),
        [.., "owners"] | [_, "owners", ..] => Some("directoryObjects".to_owned()),
        [.., "addPassword"] => Some("microsoft.graph.passwordCredential".to_owned()),
        [_, "oauth2PermissionGrants"] => Some("oauth2PermissionGrants".to_owned()),
        [id, part, ..] => of(id, part.split('(').next()?),
        // By an alternate key there is no id in the path.
        _ => None,
    }
    .filter(|_| call.method != Method::DELETE)
}

fn deleted(rest: &[&str]) -> Option<String> {
    let kind = match rest {
        [.., "microsoft.graph.application"] => "applications",
        [.., "microsoft.graph.servicePrincipal"] => "servicePrincipals",
        _ => "directoryObjects",
    };
    Some(kind.to_owned())
}

/// An object whose type cannot be told from where it is.
pub(super) fn typed(type_name: &str, object: Object) -> Object {
    let kind = [("@odata.type".to_owned(), Value::from(format!("#microsoft.graph.{type_name}")))];
    kind.into_iter().chain(object).collect()
}
