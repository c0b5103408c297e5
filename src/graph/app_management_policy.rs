//! Graph's `tenantAppManagementPolicy`: what a tenant allows of credentials.

use super::date::Date;
use super::errors::GraphError;
use super::http::escaped;
use super::lenient::null_as_default;
use super::transport::Graph;
use jiff::{SignedDuration, Span, Timestamp};
use serde::Deserialize;

/// A policy as far as it restricts secrets of applications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppManagementPolicy {
    /// Id, which Graph's refusals name.
    pub id: String,
    /// Name.
    pub name: String,
    restrictions: Vec<Restriction>,
}

/// What a policy says of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordRule {
    /// What it forbids.
    pub limit: PasswordLimit,
    /// Whether it leaves out callers that bear certain security attributes: this one may be among them.
    pub has_exemptions: bool,
}

/// What a policy forbids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordLimit {
    /// No secret at all may be made.
    Forbidden,
    /// It may live no longer than this, as the policy writes it and as a duration.
    Lifetime(String, SignedDuration),
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Restriction {
    #[serde(default)]
    restriction_type: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    max_lifetime: Option<String>,
    #[serde(default)]
    restrict_for_apps_created_after_date_time: Option<Date>,
    /// Source: `appManagementPolicyActorExemptions` of Graph's metadata: callers by their custom security attributes.
    #[serde(default)]
    exclude_actors: Option<Exemptions>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Exemptions {
    #[serde(default, deserialize_with = "null_as_default")]
    custom_security_attributes: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default, deserialize_with = "null_as_default")]
    id: String,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    is_enabled: bool,
    /// The tenant's policy.
    #[serde(default)]
    application_restrictions: Option<Restrictions>,
    /// A policy that is assigned to single applications.
    #[serde(default)]
    restrictions: Option<Restrictions>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Restrictions {
    #[serde(default, deserialize_with = "null_as_default")]
    password_credentials: Vec<Restriction>,
}

impl From<Wire> for AppManagementPolicy {
    fn from(wire: Wire) -> Self {
        let all = wire.application_restrictions.or(wire.restrictions).filter(|_| wire.is_enabled);
        Self {
            name: wire.display_name.unwrap_or_else(|| wire.id.clone()),
            id: wire.id,
            restrictions: all.map(|all| all.password_credentials).unwrap_or_default(),
        }
    }
}

impl AppManagementPolicy {
    /// Whether the policy restricts any application at all.
    pub fn restricts(&self) -> bool {
        self.restrictions.iter().any(Restriction::is_enabled)
    }

    /// What it says of secrets of an application that was made at `created`.
    pub fn of_passwords(&self, created: Timestamp) -> Vec<PasswordRule> {
        let holds = |one: &&Restriction| {
            let since = one.restrict_for_apps_created_after_date_time.as_ref().and_then(Date::time);
            one.is_enabled() && since.is_none_or(|since| created >= since)
        };
        self.restrictions.iter().filter(holds).filter_map(Restriction::rule).collect()
    }
}

impl Restriction {
    /// Older policies carry no state.
    fn is_enabled(&self) -> bool {
        self.state.as_deref() != Some("disabled")
    }

    fn rule(&self) -> Option<PasswordRule> {
        let limit = match self.restriction_type.as_deref()? {
            "passwordAddition" => PasswordLimit::Forbidden,
            "passwordLifetime" => {
                let text = self.max_lifetime.clone()?;
                let span: Span = text.parse().ok()?;
                let longest = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?;
                PasswordLimit::Lifetime(text, longest)
            }
            _ => return None,
        };
        let exempt = self.exclude_actors.as_ref();
        let has_exemptions = exempt.is_some_and(|exempt| !exempt.custom_security_attributes.is_empty());
        Some(PasswordRule { limit, has_exemptions })
    }
}

impl Graph {
    /// The tenant's own policy; `None` where the identity may not read it.
    pub async fn default_app_management_policy(&self) -> Result<Option<AppManagementPolicy>, GraphError> {
        match self.get::<Wire>("/policies/defaultAppManagementPolicy").await {
            Ok(wire) => Ok(Some(wire.into())),
            Err(error) if error.is_forbidden() || error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The policies that are assigned to one application, which count instead of the tenant's; `None` where the identity may not read
    /// them, or there is no such application.
    pub async fn app_management_policies_of(
        &self,
        application: &str,
    ) -> Result<Option<Vec<AppManagementPolicy>>, GraphError> {
        let path = format!("/applications/{}/appManagementPolicies", escaped(application));
        match self.list::<Wire>(&path).await {
            Ok(all) => Ok(Some(all.into_iter().map(Into::into).collect())),
            Err(error) if error.is_forbidden() || error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> AppManagementPolicy {
        serde_json::from_str::<Wire>(text).unwrap().into()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const RESTRICTIVE: &str = r#"{ "id": "p", "displayName": "Default", "isEnabled": true, "applicationRestrictions": { "passwordCredentials": [
        { "restrictionType": "passwordAddition", "maxLifetime": null, "restrictForAppsCreatedAfterDateTime": "2026-01-01T00:00:00Z" },
        { "restrictionType": "passwordLifetime", "state": "enabled", "maxLifetime": "P90DT12H", "restrictForAppsCreatedAfterDateTime": null },
        { "restrictionType": "symmetricKeyAddition", "maxLifetime": null } ], "keyCredentials": [] } }"#;

    #[test]
    fn a_policy_tells_old_applications_from_new_ones() {
        let rule = |limit| PasswordRule { limit, has_exemptions: false };
        let longest = SignedDuration::from_hours(90 * 24 + 12);
        let limited = rule(PasswordLimit::Lifetime("P90DT12H".to_owned(), longest));
        let policy = policy(RESTRICTIVE);
        assert_eq!(policy.of_passwords(at("2025-12-31T23:59:59Z")), vec![limited.clone()]);
        assert_eq!(policy.of_passwords(at("2026-01-01T00:00:00Z")), vec![rule(PasswordLimit::Forbidden), limited]);
    }

    #[test]
    fn a_policy_that_is_off_and_a_restriction_that_is_off_restrict_nothing() {
        let off = RESTRICTIVE.replace("\"isEnabled\": true", "\"isEnabled\": false");
        assert!(!policy(&off).restricts());
        let none = policy(
            r#"{ "id": "p", "isEnabled": true, "applicationRestrictions": { "passwordCredentials": [ { "restrictionType": "passwordAddition", "state": "disabled" } ] } }"#,
        );
        assert_eq!(none.of_passwords(at("2026-01-01T00:00:00Z")), Vec::new());
    }

    #[test]
    fn callers_that_a_policy_leaves_out_are_seen() {
        let attributes = r#"[{ "id": "Set_Name", "operator": "equals", "value": "x" }]"#;
        for (exempt, expected) in [(attributes, true), ("[]", false), ("null", false)] {
            let restriction = format!(
                r#"{{ "restrictionType": "passwordAddition", "excludeActors": {{ "customSecurityAttributes": {exempt} }} }}"#
            );
            let policy = policy(&format!(
                r#"{{ "isEnabled": true, "applicationRestrictions": {{ "passwordCredentials": [{restriction}] }} }}"#
            ));
            assert_eq!(policy.of_passwords(at("2026-01-01T00:00:00Z"))[0].has_exemptions, expected, "{exempt}");
        }
    }
}
