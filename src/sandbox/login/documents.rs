//! What a client reads before it signs in: where the endpoints are, and who says so. Source: OpenID Connect Discovery 1.0, MSAL's instance
//! discovery, and the metadata of Azure's clouds that the Azure CLI and azuread read.

use crate::sandbox::store::World;
use serde_json::{Value, json};

/// `{tenant}/v2.0/.well-known/openid-configuration`. `root`: where the login is.
pub(super) fn openid(world: &World, root: &str, tenant: &str) -> Option<Value> {
    // What every tenant may sign in to is said with a placeholder.
    let id = match tenant {
        "common" | "organizations" | "consumers" => "{tenantid}".to_owned(),
        tenant => world.tenant_named(tenant)?,
    };
    let at = |path: &str| format!("{root}/{tenant}/{path}");
    Some(json!({
        "token_endpoint": at("oauth2/v2.0/token"), "authorization_endpoint": at("oauth2/v2.0/authorize"),
        "device_authorization_endpoint": at("oauth2/v2.0/devicecode"), "end_session_endpoint": at("oauth2/v2.0/logout"),
        "jwks_uri": at("discovery/v2.0/keys"), "issuer": format!("{root}/{id}/v2.0"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "response_modes_supported": ["query", "fragment", "form_post"], "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"], "response_types_supported": ["code", "id_token", "code id_token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"], "request_uri_parameter_supported": false,
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nbf", "tid", "ver"], "tenant_region_scope": null,
    }))
}

/// `common/discovery/instance`.
pub(super) fn instance(root: &str) -> Value {
    let host = root.split("://").nth(1).unwrap_or(root);
    json!({
        "tenant_discovery_endpoint": format!("{root}/common/v2.0/.well-known/openid-configuration"), "api-version": "1.1",
        "metadata": [{ "preferred_network": host, "preferred_cache": host, "aliases": [host] }],
    })
}

/// `/metadata/endpoints` of Azure Resource Manager, which the sandbox is not, though clients ask it where everything else is. Since its
/// version of 2022 it tells of one cloud, before of several.
pub(in crate::sandbox) fn clouds(base: &str, query: &str) -> Value {
    let cloud = cloud(base);
    if query.contains("api-version=2022") { cloud } else { json!([cloud]) }
}

fn cloud(base: &str) -> Value {
    let host = base.split("://").nth(1).unwrap_or(base);
    json!({
        "name": "Sandbox", "portal": base, "resourceManager": base, "microsoftGraphResourceId": format!("{base}/"),
        "graph": base, "graphAudience": base, "gallery": base, "batch": base, "media": base, "sqlManagement": base,
        "activeDirectoryDataLake": base, "vmImageAliasDoc": base,
        "authentication": {
            "loginEndpoint": base, "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
            "tenant": "common", "identityProvider": "AAD",
        },
        "suffixes": {
            "acrLoginServer": host, "azureDataLakeAnalyticsCatalogAndJob": host, "azureDataLakeStoreFileSystem": host,
            "keyVaultDns": host, "mhsmDns": host, "mysqlServerEndpoint": host, "postgresqlServerEndpoint": host,
            "mariadbServerEndpoint": host, "sqlServerHostname": host, "storage": host, "storageSyncEndpointSuffix": host,
            "synapseAnalytics": host,
        },
    })
}
