//! What an object to be imported is named by. An id or an identity is text from outside: every part has to pass the rules of the
//! resource's attribute of that name before anything is done with it.

use crate::framework::checks;
use crate::framework::diagnostic::{Diagnostic, Diagnostics, Path, Result};
use crate::framework::dynamic::Dynamic;
use crate::framework::schema::Schema;

/// The form of an import id, such as `[<tenant_id>/]<id>`.
pub fn import_form(identity: &Schema) -> String {
    let part = |name: &String| match identity.attributes.get(name) {
        Some(one) if one.required => format!("<{name}>"),
        _ => format!("[<{name}>/]"),
    };
    identity.order.iter().map(part).collect::<Vec<_>>().join("/").replace("/]/", "/]")
}

/// An import id: the identity's values in their order, joined by `/`; what is optional (the tenant) may be left out in front.
pub(super) fn parts(identity: &Schema, text: &str) -> Result<Dynamic> {
    let required =
        identity.order.iter().filter(|name| identity.attributes.get(*name).is_some_and(|one| one.required)).count();
    let parts: Vec<&str> = text.split('/').map(str::trim).collect();
    let skipped = identity.order.len().saturating_sub(parts.len());
    if parts.len() < required || parts.len() > identity.order.len() {
        return Err(Diagnostic::error(format!("\"{text}\" is not an import id of this resource"))
            .help(format!("Its form is {}.", import_form(identity)))
            .into());
    }
    let left_out = identity.order.iter().take(skipped).map(|name| (name.clone(), Dynamic::Null));
    let given = identity.order.iter().skip(skipped).zip(parts).map(|(name, part)| (name.clone(), part.into()));
    Ok(Dynamic::Map(left_out.chain(given).collect()))
}

/// Holds every part against the rules of the resource's attributes. The last part of an id may also be the value of one of the
/// attributes `also`.
pub(super) fn check(identity: &Schema, schema: &Schema, key: &Dynamic, also: &[&str]) -> Result<()> {
    let mut found = Diagnostics::default();
    for (name, part) in &identity.attributes {
        let (value, at) = (key.get(name), Path::attribute(name.clone()));
        let missing = match value {
            Dynamic::Unknown(_) => Some("not known yet"),
            Dynamic::Null if part.required => Some("missing"),
            Dynamic::String(text) if text.is_empty() => Some("empty"),
            _ => None,
        };
        if let Some(how) = missing {
            found.push(Diagnostic::error(format!("`{name}` of the object to import is {how}")).at(at));
            continue;
        }
        let last = identity.order.last() == Some(name);
        let rules = |name: &str| schema.attributes.get(name).map_or(Vec::new(), |one| checks::value(one, value, &at));
        let refused = rules(name);
        if !(refused.is_empty() || last && also.iter().any(|also| rules(also).is_empty())) {
            found.0.extend(refused);
        }
    }
    // A path into the resource's block would point at something that nobody wrote.
    let form = format!("An import id has the form {}.", import_form(identity));
    let told = |one: Diagnostic| Diagnostic { path: None, ..one.help(&form) };
    Diagnostics(found.0.into_iter().map(told).collect()).into_result()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framework::model::{guid, schema_of};
    use schemars::JsonSchema;

    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only its schema is used")]
    struct Key {
        /// Tenant.
        tenant_id: Option<String>,
        /// Application.
        application_id: String,
        /// Name.
        name: String,
    }

    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only its schema is used")]
    struct Credential {
        /// Tenant.
        #[schemars(transform = guid)]
        tenant_id: Option<String>,
        /// Application.
        #[schemars(transform = guid)]
        application_id: String,
        /// Name.
        #[schemars(length(max = 3))]
        name: String,
        /// Alias.
        #[schemars(regex(pattern = "^alias"))]
        alias: String,
    }

    const ID: &str = "11111111-2222-3333-4444-555555555555";

    #[test]
    fn the_tenant_in_front_of_an_import_id_is_optional() {
        let schema = schema_of::<Key>().unwrap();
        let whole = parts(&schema, "t/a/k").unwrap();
        assert_eq!((whole.get("tenant_id"), whole.get("name")), (&"t".into(), &"k".into()));
        let short = parts(&schema, "a/k").unwrap();
        assert_eq!((short.get("tenant_id"), short.get("application_id")), (&Dynamic::Null, &"a".into()));
    }

    #[test]
    fn a_wrong_import_id_says_the_form() {
        let found = parts(&schema_of::<Key>().unwrap(), "a").unwrap_err();
        assert_eq!(found.0[0].detail, "Its form is [<tenant_id>/]<application_id>/<name>.");
    }

    #[test]
    fn every_part_obeys_the_rule_of_the_attribute_of_its_name() {
        let (identity, schema) = (schema_of::<Key>().unwrap(), schema_of::<Credential>().unwrap());
        let found = |text: &str, also: &[&str]| {
            let found = check(&identity, &schema, &parts(&identity, text).unwrap(), also);
            found
                .err()
                .map(|found| found.0.iter().map(|one| one.summary.clone()).collect::<Vec<_>>())
                .unwrap_or_default()
        };
        assert_eq!(found(&format!("{ID}/{ID}/abc"), &[]), Vec::<String>::new());
        assert_eq!(found(&format!("contoso.com/{ID}/abc"), &[]), ["`tenant_id` is not a GUID"]);
        assert_eq!(
            found(&format!("common?x/{ID}/abcd"), &[]),
            ["`name` has the wrong length", "`tenant_id` is not a GUID"]
        );
        assert_eq!(found(&format!("{ID}/ "), &[]), ["`name` of the object to import is empty"]);
        assert_eq!(found(&format!("{ID}/alias-1"), &["alias"]), Vec::<String>::new());
        assert_eq!(found(&format!("{ID}/other"), &["alias"]), ["`name` has the wrong length"]);
        // Another part is no alias.
        assert_eq!(found("alias-1/abc", &["alias"]), ["`application_id` is not a GUID"]);
    }

    #[test]
    fn what_is_missing_or_unknown_is_said_with_the_form() {
        let (identity, schema) = (schema_of::<Key>().unwrap(), schema_of::<Credential>().unwrap());
        let key = [("tenant_id", Dynamic::unknown()), ("application_id", Dynamic::Null), ("name", "abc".into())];
        let found =
            check(&identity, &schema, &Dynamic::Map(key.map(|(name, value)| (name.to_owned(), value)).into()), &[]);
        let found = found.unwrap_err().0;
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|one| one.detail.contains("[<tenant_id>/]<application_id>/<name>")), "{found:?}");
    }
}
