//! Every documented system, and one that only a file of the user's own describes: made as written, seen drifting, repaired, taken away.

use crate::tenant::{Tenant, list};
use crate::workspace::{BLOCK, HEAD, Workspace, assert_no_change, change, every_cli, texts};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Graph's `Mail.Read`, which nobody declares.
const MAIL_READ: &str = "810c84a8-4a9e-49e6-bf7d-12d183f40d01";
const OFFICE_365_MANAGEMENT: &str = "c5393580-f805-4401-95e8-94b7a6ef2fc2";

/// What each profile asks for, as `<client id of the API>/<Role or Scope>/<id>`. Source: the vendors' documents, ids of the permission
/// catalogue.
fn documented(profile: &str) -> BTreeSet<String> {
    const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
    const DEFENDER: &str = "fc780465-2017-40d4-a0c5-307022471b92";
    let roles: &[(&str, &[&str])] = match profile {
        "defense-com-users" => {
            &[(GRAPH, &["741f803b-c850-494e-b5df-cde7c675a1ca", "77f3a031-c388-4f99-b373-dc68676a979e"])]
        }
        "securends-office365" => {
            &[(GRAPH, &["df021288-bdef-4463-88db-98f22de89214", "7ab1d382-f21e-4acd-a863-ba3e13f7da61"])]
        }
        "md-eco-m365-defender" => &[
            (GRAPH, &["df021288-bdef-4463-88db-98f22de89214", "34bf0e97-1971-4929-b999-9e2442d941d7"]),
            (
                DEFENDER,
                &[
                    "ea8291d3-4b9a-44b5-bc3a-6cea3026dc79",
                    "41269fc5-d04d-4bfd-bce7-43a51cea049a",
                    "37f71c98-d198-41ae-964d-2c49aab74926",
                    "a833834a-4cf1-4732-8acf-bbcfa13fb610",
                    "93489bf5-0fbc-4f2d-b901-33f2fe08ff05",
                ],
            ),
        ],
        "md-eco-m365-defender-remediation" => &[
            (GRAPH, &["741f803b-c850-494e-b5df-cde7c675a1ca"]),
            (DEFENDER, &["7e4e1300-e1b9-4102-88ba-f0cb6e6d5974", "a86d9824-b2b6-45f8-b042-16bc4922ed4e"]),
        ],
        "threatdefence-ms365" => &[(OFFICE_365_MANAGEMENT, &["594c1fb6-4f81-4475-ae41-0c394909246c"])],
        "threatdefence-graph" => &[(
            GRAPH,
            &[
                "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
                "1260ad83-98fb-4785-abbb-d6cc1806fd41",
                "7ab1d382-f21e-4acd-a863-ba3e13f7da61",
                "472e4a4d-bb4a-4026-98d1-0b0d74cb74a5",
                "45cc0394-e837-488b-a098-1918f48d186c",
                "dc5007c0-2d7d-4c42-879c-2dab87571379",
                "607c7344-0eed-41e5-823a-9695ebe1b7b0",
                "6e472fd1-ad78-48da-a0f0-97ab2c6b769e",
                "df021288-bdef-4463-88db-98f22de89214",
                "7438b122-aefc-4978-80ed-43db9fcc7715",
                "230c1aed-a721-4c5d-9cb4-a90514e508ef",
                "bf394140-e372-4bf9-a898-299cfc7564e5",
                "b0afded3-3588-46d8-8b3d-9842eff778da",
            ],
        )],
        other => panic!("{other} has no table"),
    };
    let scopes: &[&str] = match profile {
        "securends-office365" => &[
            "e1fe6dd8-ba31-4d61-89e7-88639da4683d",
            "a154be20-db9c-4678-8ab7-66f6cc099a59",
            "b340eb25-3456-403f-be2f-af7a0d370277",
            "0e263e50-5827-48a4-b97c-d940288653c7",
            "06da0dbc-49e2-44d2-8312-53f166ab848a",
        ],
        _ => &[],
    };
    let roles = roles.iter().flat_map(|(api, ids)| ids.iter().map(move |id| format!("{api}/Role/{id}")));
    roles.chain(scopes.iter().map(|id| format!("{GRAPH}/Scope/{id}"))).collect()
}

pub const OWN_APPS: [&str; 5] = [
    "securends-office365",
    "md-eco-m365-defender",
    "md-eco-m365-defender-remediation",
    "threatdefence-ms365",
    "threatdefence-graph",
];

/// What an application asks for.
fn requested(app: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for api in app["requiredResourceAccess"].as_array().unwrap() {
        for access in api["resourceAccess"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            all.insert(format!("{}/{}/{}", text(&api["resourceAppId"]), text(&access["type"]), text(&access["id"])));
        }
    }
    all
}

/// What an application's principal has been granted for everybody.
async fn granted(tenant: &Tenant, app: &Value) -> BTreeSet<String> {
    let principal = tenant.principal_of(app["appId"].as_str().unwrap()).await.unwrap();
    let id = principal["id"].as_str().unwrap();
    let apis = list(&tenant.admin(Method::GET, "/servicePrincipals?$top=999", None).await);
    let api = |object: &Value| apis.iter().find(|api| api["id"] == *object).unwrap();
    let mut all = BTreeSet::new();
    let roles = tenant.admin(Method::GET, &format!("/servicePrincipals/{id}/appRoleAssignments"), None).await;
    for one in list(&roles) {
        let (api, role) = (api(&one["resourceId"])["appId"].as_str().unwrap(), one["appRoleId"].as_str().unwrap());
        all.insert(format!("{api}/Role/{role}"));
    }
    for one in list(&tenant.admin(Method::GET, "/oauth2PermissionGrants?$top=999", None).await) {
        if one["clientId"] != *id || one["consentType"] != "AllPrincipals" {
            continue;
        }
        let api = api(&one["resourceId"]);
        for scope in one["scope"].as_str().unwrap().split_whitespace() {
            let offered = api["oauth2PermissionScopes"].as_array().unwrap();
            let scope = offered.iter().find(|offered| offered["value"] == scope).unwrap();
            all.insert(format!("{}/Scope/{}", api["appId"].as_str().unwrap(), scope["id"].as_str().unwrap()));
        }
    }
    all
}

async fn named(tenant: &Tenant, unique_name: &str) -> Value {
    let found =
        tenant.admin(Method::GET, &format!("/applications?$filter=uniqueName%20eq%20'{unique_name}'"), None).await;
    list(&found).into_iter().next().unwrap_or_else(|| panic!("there is no application {unique_name}"))
}

/// The base integration of Defense.com, as somebody made it by hand: it asks for one permission, and holds it.
pub async fn foreign_application(tenant: &Tenant) -> Value {
    const ACTIVITY_FEED: &str = "594c1fb6-4f81-4475-ae41-0c394909246c";
    let asked = json!([{ "resourceAppId": OFFICE_365_MANAGEMENT, "resourceAccess": [{ "id": ACTIVITY_FEED, "type": "Role" }] }]);
    let app =
        json!({ "displayName": "Defense.com", "signInAudience": "AzureADMyOrg", "requiredResourceAccess": asked });
    let app = tenant.admin(Method::POST, "/applications", Some(app)).await;
    let principal = tenant.admin(Method::POST, "/servicePrincipals", Some(json!({ "appId": app["appId"] }))).await;
    let api = tenant.principal_of(OFFICE_365_MANAGEMENT).await.unwrap();
    let grant = json!({ "principalId": principal["id"], "resourceId": api["id"], "appRoleId": ACTIVITY_FEED });
    let path = format!("/servicePrincipals/{}/appRoleAssignments", principal["id"].as_str().unwrap());
    tenant.admin(Method::POST, &path, Some(grant)).await;
    app
}

/// The example with the foreign application's client id filled in.
fn five(foreign: &Value, features: &str) -> String {
    let example = include_str!("../../examples/five-connectors/main.tf");
    let filled = example.replace(
        "  type        = string\n",
        &format!("  type        = string\n  default     = {}\n", foreign["appId"]),
    );
    let with_features =
        filled.replace("\"threatdefence-graph\"              = []", &format!("\"threatdefence-graph\" = [{features}]"));
    assert!(with_features.contains(foreign["appId"].as_str().unwrap()));
    with_features
}

async fn microsofts(tenant: &Tenant) -> Value {
    let filter =
        "/servicePrincipals?$top=999&$filter=appOwnerOrganizationId%20eq%20f8cdef31-a31e-4b4a-93e4-5f571e91255a";
    tenant.admin(Method::GET, filter, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_five_systems_at_once_are_exactly_as_documented_and_leave_nothing_behind() {
    every_cli(async |workspace, tenant| {
        let foreign = foreign_application(&tenant).await;
        let microsofts_before = microsofts(&tenant).await;
        let (asked_before, granted_before) = (requested(&foreign), granted(&tenant, &foreign).await);
        workspace.write(&five(&foreign, "")).unwrap();
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;

        assert_eq!(tenant.applications().await.len(), 6, "five of ours and the foreign one");
        for profile in OWN_APPS {
            let app = named(&tenant, profile).await;
            assert_eq!(requested(&app), documented(profile), "{profile} asks for");
            assert_eq!(granted(&tenant, &app).await, documented(profile), "{profile} is granted");
            assert_eq!(app["signInAudience"], "AzureADMyOrg");
        }
        let with_users = |before: &BTreeSet<String>| before | &documented("defense-com-users");
        let now = tenant.admin(Method::GET, &format!("/applications/{}", foreign["id"].as_str().unwrap()), None).await;
        assert_eq!(requested(&now), with_users(&asked_before));
        assert_eq!(granted(&tenant, &now).await, with_users(&granted_before));

        workspace.apply(&["-destroy"]).await.unwrap();
        let left = tenant.applications().await;
        assert_eq!(left, std::slice::from_ref(&foreign), "the foreign application is as it was");
        assert_eq!(granted(&tenant, &foreign).await, granted_before);
        assert_eq!(microsofts(&tenant).await, microsofts_before);
        let deleted = tenant.admin(Method::GET, "/directory/deletedItems/microsoft.graph.application", None).await;
        assert_eq!(list(&deleted).len(), 5);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feature_shows_exactly_its_permissions_and_gives_back_what_no_other_one_needs() {
    const INTUNE: [&str; 3] = [
        "DeviceManagementApps.Read.All",
        "DeviceManagementConfiguration.Read.All",
        "DeviceManagementManagedDevices.Read.All",
    ];
    const RESPONSE: [&str; 2] = ["User.EnableDisableAccount.All", "User.RevokeSessions.All"];
    const ISOLATOR: [&str; 1] = ["User-PasswordProfile.ReadWrite.All"];
    every_cli(async |workspace, tenant| {
        let keys = |names: &[&str]| {
            names.iter().map(|name| format!("microsoft_graph/application/{name}")).collect::<BTreeSet<_>>()
        };
        let foreign = foreign_application(&tenant).await;
        workspace.write(&five(&foreign, "")).unwrap();
        workspace.apply(&[]).await.unwrap();
        let none = BTreeSet::new();
        // Each step: features that are on after it, what its plan adds and what it takes away.
        let steps = [
            (r#""intune""#, keys(&INTUNE), none.clone()),
            (r#""intune", "response""#, keys(&RESPONSE), none.clone()),
            (r#""response", "user-isolator""#, keys(&ISOLATOR), keys(&INTUNE)),
            (r#""user-isolator""#, none.clone(), none.clone()),
            (r#""response""#, none.clone(), keys(&ISOLATOR)),
            ("", none.clone(), keys(&RESPONSE)),
        ];
        for (features, adds, removes) in steps {
            workspace.write(&five(&foreign, features)).unwrap();
            let (code, plan, _) = workspace.plan(&[]).await.unwrap();
            assert_eq!(code, 2, "{features}");
            for address in [
                r#"m365_connector_permission_set.this["threatdefence-graph"]"#,
                r#"m365_admin_consent.this["threatdefence-graph"]"#,
            ] {
                let change = change(&plan, address);
                let (before, after) = (texts(&change["before"]["permissions"]), texts(&change["after"]["permissions"]));
                assert_eq!(
                    (&after - &before, &before - &after),
                    (adds.clone(), removes.clone()),
                    "{address}: {features}"
                );
                assert_ne!(change["after_unknown"]["permissions"], json!(true));
            }
            workspace.apply(&[]).await.unwrap();
            assert_no_change(&workspace).await;
            let app = named(&tenant, "threatdefence-graph").await;
            assert_eq!(requested(&app), granted(&tenant, &app).await);
        }
    })
    .await;
}

/// An API that the built-in catalogue lacks, as a multi-tenant application of its vendor: roles and scopes of the profile below.
async fn vendors_own_api(tenant: &Tenant) -> Value {
    let role = json!({ "id": "aaaaaaaa-0000-4000-8000-000000000001", "value": "Events.Read", "displayName": "Events", "description": "Events", "allowedMemberTypes": ["Application"], "isEnabled": true });
    let scope = json!({ "id": "aaaaaaaa-0000-4000-8000-000000000002", "value": "Events.Browse", "type": "Admin", "isEnabled": true });
    let app = json!({ "displayName": "Sixth API", "signInAudience": "AzureADMultipleOrgs", "appRoles": [role], "api": { "oauth2PermissionScopes": [scope] } });
    let app = tenant.admin(Method::POST, "/applications", Some(app)).await;
    tenant.admin(Method::POST, "/servicePrincipals", Some(json!({ "appId": app["appId"] }))).await;
    app
}

fn sixth_profile(api: &Value) -> String {
    format!(
        r#"
slug = "sixth-vendor"
version = 1
vendor = "Sixth"
title = "Sixth connector"
source = {{ title = "its own documentation" }}

[app]
display_name = "Sixth connector"

[permissions.microsoft_graph]
application = ["User.Read.All"]

[permissions.sixth_api]
application = ["Events.Read"]

[features.browse]
title = "Browse events"

[features.browse.permissions.sixth_api]
delegated = ["Events.Browse"]

[[apis]]
key = "sixth_api"
app_id = {}
display_name = "Sixth API"
permissions = [
  {{ value = "Events.Read", kind = "application", id = "aaaaaaaa-0000-4000-8000-000000000001" }},
  {{ value = "Events.Browse", kind = "delegated", id = "aaaaaaaa-0000-4000-8000-000000000002" }},
]
"#,
        api["appId"]
    )
}

/// A whole life of one connector: as documented, drift both ways in requests and grants of both kinds, repair, destroy.
async fn life(
    workspace: &Workspace,
    tenant: &Tenant,
    profile: &str,
    block: &str,
    features: &str,
    expected: &BTreeSet<String>,
) {
    let configuration = format!(
        r#"{HEAD}{block}
resource "m365_connector_app" "x" {{
  profile = "{profile}"
  {name}
}}
resource "m365_connector_permission_set" "x" {{
  application_id = m365_connector_app.x.id
  profile        = "{profile}"
  features       = [{features}]
}}
resource "m365_admin_consent" "x" {{
  service_principal_id = m365_connector_app.x.service_principal_id
  permissions          = m365_connector_permission_set.x.permissions
}}
"#,
        name = if profile == "defense-com-users" { r#"display_name = "Defense.com""# } else { "" }
    );
    workspace.write(&configuration).unwrap();
    workspace.apply(&[]).await.unwrap();
    assert_no_change(workspace).await;
    let app = named(tenant, profile).await;
    assert_eq!((&requested(&app), &granted(tenant, &app).await), (expected, expected), "{profile}");

    tenant.later().await;
    let principal =
        tenant.principal_of(app["appId"].as_str().unwrap()).await.unwrap()["id"].as_str().unwrap().to_owned();
    let held =
        list(&tenant.admin(Method::GET, &format!("/servicePrincipals/{principal}/appRoleAssignments"), None).await);
    tenant.revoke(&principal, held[0]["appRoleId"].as_str().unwrap()).await;
    tenant.grant(&principal, MAIL_READ).await;
    tenant.grant_scope(&principal, "Mail.Read").await;
    tenant
        .admin(
            Method::PATCH,
            &format!("/applications/{}", app["id"].as_str().unwrap()),
            Some(json!({ "requiredResourceAccess": [] })),
        )
        .await;
    let (code, plan, _) = workspace.plan(&[]).await.unwrap();
    assert_eq!(code, 2, "{profile}");
    let consent = change(&plan, "m365_admin_consent.x");
    let (before, after) = (texts(&consent["before"]["permissions"]), texts(&consent["after"]["permissions"]));
    assert_eq!((&after - &before).len(), 1, "{profile}: the revoked grant shows");
    let foreign = ["microsoft_graph/application/Mail.Read", "microsoft_graph/delegated/Mail.Read"].map(str::to_owned);
    assert_eq!(&before - &after, BTreeSet::from(foreign), "{profile}: the foreign grants show");
    assert_eq!(change(&plan, "m365_connector_permission_set.x")["before"]["permissions"], json!([]));
    workspace.apply(&[]).await.unwrap();
    let app = named(tenant, profile).await;
    assert_eq!((&requested(&app), &granted(tenant, &app).await), (expected, expected), "{profile}");
    assert_no_change(workspace).await;
    workspace.apply(&["-destroy"]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_system_alone_is_made_watched_and_repaired() {
    every_cli(async |workspace, tenant| {
        for profile in OWN_APPS.into_iter().chain(["defense-com-users"]) {
            life(&workspace, &tenant, profile, BLOCK, "", &documented(profile)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_of_the_user_s_own_with_an_api_of_its_own_lives_as_the_five_do() {
    every_cli(async |workspace, tenant| {
        let api = vendors_own_api(&tenant).await;
        let folder = workspace.folder().join("profiles");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("sixth.toml"), sixth_profile(&api)).unwrap();
        let block = "provider \"m365\" {\n  environment = \"sandbox\"\n  catalog_paths = [\"profiles\"]\n}\n";
        let app_id = api["appId"].as_str().unwrap();
        let mut expected = BTreeSet::from([
            "00000003-0000-0000-c000-000000000000/Role/df021288-bdef-4463-88db-98f22de89214".to_owned(),
            format!("{app_id}/Role/aaaaaaaa-0000-4000-8000-000000000001"),
        ]);
        life(&workspace, &tenant, "sixth-vendor", block, "", &expected).await;
        expected.insert(format!("{app_id}/Scope/aaaaaaaa-0000-4000-8000-000000000002"));
        life(&workspace, &tenant, "sixth-vendor", block, "\"browse\"", &expected).await;
    })
    .await;
}
