//! What Graph enforces of `keyCredentials`, of which a write replaces the whole collection.
//! Source: Microsoft's documentation of `keyCredential`, and the answers quoted in msgraph-sdk-java#1823, azure-rest-api-specs#11985 and
//! azure-powershell#6784.

use super::errors::Failure;
use super::moment::Moment;
use super::store::{Object, new_id, text};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::BTreeSet;

/// Longest name; a longer one is cut.
const LONGEST_NAME: usize = 90;

/// Completes the certificates of a body that replaces the whole collection: what the service adds to each, and what it keeps of one it
/// knows. A body without them stays as it is.
pub(super) fn complete(body: &mut Object, before: Option<&Object>) -> Result<(), Failure> {
    let known: Vec<Value> =
        before.and_then(|before| before.get("keyCredentials")).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut seen = Vec::new();
    for one in body.get_mut("keyCredentials").and_then(Value::as_array_mut).into_iter().flatten() {
        let Value::Object(key) = one else { return Err(Failure::bad_request("A key credential is an object.")) };
        let id = text(key, "keyId").to_lowercase();
        match known.iter().find(|known| !id.is_empty() && known["keyId"] == id.as_str()).and_then(Value::as_object) {
            Some(known) => keep(key, known)?,
            None => add(key)?,
        }
        if seen.contains(&key["keyId"]) {
            return Err(Failure::bad_request("Multiple credentials with the same keyId are not allowed."));
        }
        seen.push(key["keyId"].clone());
    }
    Ok(())
}

/// A client sends back what it has read, without the key itself. Anything that it says of a known key has to be as it was, its name too:
/// the service looks whether anything changed (Azure/azure-cli#7728) and takes none (Azure/azure-powershell#6219, #6784).
fn keep(key: &mut Object, known: &Object) -> Result<(), Failure> {
    for (name, value) in key.iter().filter(|(name, value)| *name != "keyId" && !value.is_null()) {
        let same = match name.as_str() {
            "displayName" => known.get(name) == Some(&cut(value.clone())),
            "startDateTime" | "endDateTime" => moment(known.get(name)) == moment(Some(value)),
            _ => known.get(name) == Some(value),
        };
        if !same {
            return Err(Failure::bad_request(format!(
                "Update to existing credential with KeyId '{}' is not allowed.",
                text(known, "keyId")
            )));
        }
    }
    *key = known.clone();
    Ok(())
}

fn add(key: &mut Object) -> Result<(), Failure> {
    let invalid = |property: &str, choices: &str| {
        Failure::bad_request(format!(
            "The value for the property \"{property}\" in one of your credentials is invalid. Acceptable values are {choices}."
        ))
    };
    match (text(key, "type"), text(key, "usage")) {
        ("AsymmetricX509Cert", "Verify") => {}
        ("X509CertAndPassword", "Sign") => {
            return Err(Failure::bad_request("The sandbox does not simulate keys that sign tokens."));
        }
        ("AsymmetricX509Cert" | "X509CertAndPassword", _) => return Err(invalid("usage", "Sign, Verify")),
        _ => return Err(invalid("type", "AsymmetricX509Cert, X509CertAndPassword")),
    }
    let der = STANDARD.decode(text(key, "key")).unwrap_or_default();
    let valid = x509_parser::parse_x509_certificate(&der).ok().filter(|(rest, _)| rest.is_empty());
    let Some((_, certificate)) = valid else {
        return Err(Failure::bad_request("Key credential is invalid: the property 'key' is no certificate."));
    };
    let (not_before, not_after) = (date(certificate.validity().not_before), date(certificate.validity().not_after));
    let (Some(not_before), Some(not_after)) = (not_before, not_after) else {
        return Err(Failure::bad_request("Key credential is invalid: the property 'key' has no dates."));
    };
    let (start, end) =
        (moment(key.get("startDateTime")).unwrap_or(not_before), moment(key.get("endDateTime")).unwrap_or(not_after));
    if start < not_before || start >= end {
        return Err(Failure::bad_request("Key credential start date is invalid."));
    }
    if end > not_after {
        return Err(Failure::bad_request("Key credential end date is invalid."));
    }
    if key.get("keyId").is_none_or(Value::is_null) {
        key.insert("keyId".to_owned(), new_id().into());
    }
    let id = text(key, "keyId").to_lowercase();
    key.insert("keyId".to_owned(), id.into());
    if key.get("customKeyIdentifier").is_none_or(Value::is_null) {
        key.insert("customKeyIdentifier".to_owned(), thumbprint(&der).into());
    }
    key.insert("startDateTime".to_owned(), start.to_string().into());
    key.insert("endDateTime".to_owned(), end.to_string().into());
    let name = key.remove("displayName").unwrap_or_default();
    key.insert("displayName".to_owned(), cut(name));
    Ok(())
}

fn moment(value: Option<&Value>) -> Option<Moment> {
    value?.as_str()?.parse().ok()
}

/// A certificate's date, which may be the last of the year 9999.
fn date(time: x509_parser::time::ASN1Time) -> Option<Moment> {
    let time = time.to_datetime();
    let (date, hour, minute, second) = (time.date(), time.hour(), time.minute(), time.second());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z").parse().ok()
}

/// The usages of the keys that are there only before or only after a write.
pub(super) fn changed_usages<'a>(before: Option<&'a Value>, after: &'a Value) -> BTreeSet<&'a str> {
    let list = |value: Option<&'a Value>| value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (before, after) = (list(before), list(Some(after)));
    let only = |these: &'a [Value], others: &'a [Value]| {
        these.iter().filter(|one| others.iter().all(|other| other["keyId"] != one["keyId"]))
    };
    only(before, after).chain(only(after, before)).filter_map(|one| one["usage"].as_str()).collect()
}

fn cut(name: Value) -> Value {
    match name.as_str() {
        Some(name) => name.chars().take(LONGEST_NAME).collect::<String>().into(),
        None => name,
    }
}

fn thumbprint(der: &[u8]) -> String {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, der).as_ref().iter().map(|byte| format!("{byte:02X}")).collect()
}
