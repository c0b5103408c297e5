//! Applications and service principals as Graph answers with them when nobody has set anything. Source: Graph's v1.0 metadata, and the
//! answers in Microsoft's "Create application" and "Create servicePrincipal".

use super::store::Object;
use serde_json::{Value, json};

/// Properties of an application that are null at first, and those that are not.
const APPLICATION: &str = "id deletedDateTime appId applicationTemplateId certification createdByAppId createdDateTime defaultRedirectUri \
description disabledByMicrosoftStatus displayName groupMembershipClaims isDeviceOnlyAuthSupported isFallbackPublicClient notes \
optionalClaims publisherDomain requestSignatureVerification samlMetadataUrl serviceManagementReference \
servicePrincipalLockConfiguration signInAudience tokenEncryptionKeyId uniqueName";
/// Likewise of a service principal.
const PRINCIPAL: &str = "id deletedDateTime appDescription appDisplayName appId applicationTemplateId appOwnerOrganizationId \
createdByAppId description disabledByMicrosoftStatus displayName homepage loginUrl logoutUrl notes preferredSingleSignOnMode \
preferredTokenSigningKeyThumbprint samlSingleSignOnSettings signInAudience tokenEncryptionKeyId";

/// A new application without its ids, name and date.
pub(super) fn application() -> Object {
    shape(
        APPLICATION,
        json!({
            "identifierUris": [], "tags": [], "addIns": [], "appRoles": [], "keyCredentials": [], "passwordCredentials": [],
            "requiredResourceAccess": [],
            "api": {
                "acceptMappedClaims": null, "knownClientApplications": [], "oauth2PermissionScopes": [],
                "preAuthorizedApplications": [], "requestedAccessTokenVersion": null,
            },
            "info": information(),
            "parentalControlSettings": { "countriesBlockedForMinors": [], "legalAgeGroupRule": "Allow" },
            "publicClient": { "redirectUris": [] },
            "spa": { "redirectUris": [] },
            "verifiedPublisher": publisher(),
            "web": {
                "homePageUrl": null, "logoutUrl": null, "redirectUris": [], "redirectUriSettings": [],
                "implicitGrantSettings": { "enableAccessTokenIssuance": false, "enableIdTokenIssuance": false },
            },
        }),
    )
}

/// A new service principal without its ids and name.
pub(super) fn principal() -> Object {
    shape(
        PRINCIPAL,
        json!({
            "accountEnabled": true, "alternativeNames": [], "appRoleAssignmentRequired": false, "notificationEmailAddresses": [],
            "replyUrls": [], "servicePrincipalNames": [], "servicePrincipalType": "Application", "tags": [], "addIns": [],
            "appRoles": [], "info": information(), "keyCredentials": [], "oauth2PermissionScopes": [], "passwordCredentials": [],
            "resourceSpecificApplicationPermissions": [], "verifiedPublisher": publisher(),
        }),
    )
}

fn shape(empty: &str, others: Value) -> Object {
    let empty = empty.split_whitespace().map(|name| (name.to_owned(), Value::Null));
    empty.chain(object(others)).collect()
}

fn information() -> Value {
    json!({ "logoUrl": null, "marketingUrl": null, "privacyStatementUrl": null, "supportUrl": null, "termsOfServiceUrl": null })
}

fn publisher() -> Value {
    json!({ "displayName": null, "verifiedPublisherId": null, "addedDateTime": null })
}

/// The properties of a JSON object.
pub(super) fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        _ => Object::new(),
    }
}

/// Certificates as an answer shows them where the keys were not asked for by name on a single object.
pub(super) fn hide_keys(object: &mut Object) {
    for key in object.get_mut("keyCredentials").and_then(Value::as_array_mut).into_iter().flatten() {
        key["key"] = json!(null);
    }
}
