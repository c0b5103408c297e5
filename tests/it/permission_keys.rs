//! A permission is its API, kind and id: whatever it is written by, it is the same one, and what a plan prints may be written down.

use crate::tenant::{Tenant, list};
use crate::workspace::{BLOCK, HEAD, Workspace, assert_no_change, change, every_cli, failed_plan, flat, texts};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use terraform_provider_m365::catalog::{Catalog, Kind};

const ROLE: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const SCOPE: &str = "aaaaaaaa-0000-4000-8000-000000000002";
const USER_READ_ALL: &str = "df021288-bdef-4463-88db-98f22de89214";
const USER_READ: &str = "e1fe6dd8-ba31-4d61-89e7-88639da4683d";
const SET: &str = "m365_connector_permission_set.x";
const CONSENT: &str = "m365_admin_consent.x";

/// An API that no catalogue knows. Gives its client id.
async fn custom_api(tenant: &Tenant) -> String {
    let role = |id: &str, value: &str, who: &str, enabled: bool| json!({ "id": id, "value": value, "displayName": value, "description": value, "allowedMemberTypes": [who], "isEnabled": enabled });
    let app = json!({
        "displayName": "Collector", "signInAudience": "AzureADMyOrg",
        "appRoles": [
            role(ROLE, "API.All", "Application", true),
            role("aaaaaaaa-0000-4000-8000-000000000003", "API.Off", "Application", false),
            role("aaaaaaaa-0000-4000-8000-000000000004", "API.People", "User", true),
        ],
        "api": { "oauth2PermissionScopes": [{ "id": SCOPE, "value": "API.Browse", "type": "Admin", "isEnabled": true }] },
    });
    let app = tenant.admin(Method::POST, "/applications", Some(app)).await;
    tenant.admin(Method::POST, "/servicePrincipals", Some(json!({ "appId": app["appId"] }))).await;
    app["appId"].as_str().unwrap().to_owned()
}

/// An application by hand. Gives its object id and its principal's.
async fn by_hand(tenant: &Tenant) -> (String, String) {
    let app = tenant.admin(Method::POST, "/applications", Some(json!({ "displayName": "by hand" }))).await;
    let principal = tenant.admin(Method::POST, "/servicePrincipals", Some(json!({ "appId": app["appId"] }))).await;
    let id = |object: &Value| object["id"].as_str().unwrap().to_owned();
    (id(&app), id(&principal))
}

fn quoted(all: &[&str]) -> String {
    all.iter().map(|one| format!("\"{one}\"")).collect::<Vec<_>>().join(", ")
}

fn set(application: &str, api: &str, roles: &[&str], scopes: &[&str]) -> String {
    let (roles, scopes) = (quoted(roles), quoted(scopes));
    format!(
        "resource \"m365_connector_permission_set\" \"x\" {{\n  application_id = \"{application}\"\n  apis = {{ \"{api}\" = {{ application = [{roles}], delegated = [{scopes}] }} }}\n}}\n"
    )
}

fn consent(principal: &str, keys: &str) -> String {
    format!(
        "resource \"m365_admin_consent\" \"x\" {{\n  service_principal_id = \"{principal}\"\n  permissions = {keys}\n}}\n"
    )
}

fn write(workspace: &Workspace, parts: &[&str]) {
    workspace.write(&format!("{HEAD}{BLOCK}{}", parts.concat())).unwrap();
}

/// Ids that an application asks for, as often as it does.
async fn asked(tenant: &Tenant, app: &str) -> Vec<String> {
    let app = tenant.admin(Method::GET, &format!("/applications/{app}"), None).await;
    let all = app["requiredResourceAccess"].as_array().unwrap().clone();
    let ids = all.iter().flat_map(|api| api["resourceAccess"].as_array().unwrap().clone());
    let mut ids: Vec<String> = ids.map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

async fn scopes(tenant: &Tenant, principal: &str) -> Vec<String> {
    let path = format!("/oauth2PermissionGrants?$filter=clientId%20eq%20'{principal}'");
    let grants = list(&tenant.admin(Method::GET, &path, None).await);
    grants.iter().flat_map(|one| one["scope"].as_str().unwrap().split_whitespace().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_tenant_knows_is_declared_by_id_by_name_or_by_both() {
    every_cli(async |workspace, tenant| {
        let api = custom_api(&tenant).await;
        let (app, principal) = by_hand(&tenant).await;
        let granted = consent(&principal, &format!("{SET}.permissions"));
        let upper = [ROLE.to_uppercase(), SCOPE.to_uppercase()];
        let (by_id, by_name) =
            ((&[upper[0].as_str()][..], &[upper[1].as_str()][..]), (&["API.All"][..], &["API.Browse"][..]));
        let both = (&["API.All", ROLE][..], &["API.Browse", SCOPE][..]);
        for (nth, (roles, delegated)) in [by_id, by_name, both, by_id].into_iter().enumerate() {
            write(&workspace, &[&set(&app, &api, roles, delegated), &granted]);
            tenant.forget_requests().await;
            workspace.apply(&[]).await.unwrap();
            assert_eq!(tenant.writes().await.is_empty(), nth > 0, "another spelling is nothing to write: {roles:?}");
            assert_eq!(asked(&tenant, &app).await, [ROLE, SCOPE], "{roles:?}");
            assert_eq!(tenant.granted(&principal).await, BTreeSet::from([ROLE.to_owned()]));
            assert_eq!(scopes(&tenant, &principal).await, ["API.Browse"]);
            assert_no_change(&workspace).await;
            tenant.later().await;
            assert_no_change(&workspace).await;
        }
        // Removed by somebody it comes back; where only spellings changed, the one before was planned.
        tenant.revoke(&principal, ROLE).await;
        let (code, plan, _) = workspace.plan(&[]).await.unwrap();
        let (before, after) = (&change(&plan, CONSENT)["before"], &change(&plan, CONSENT)["after"]);
        let lost: Vec<String> =
            texts(&after["permissions"]).difference(&texts(&before["permissions"])).cloned().collect();
        assert_eq!((code, lost), (2, vec![format!("{api}/application/API.All")]));
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        workspace.apply(&["-destroy"]).await.unwrap();
        assert_eq!((asked(&tenant, &app).await, scopes(&tenant, &principal).await), (vec![], vec![]));
        assert_eq!(tenant.granted(&principal).await, BTreeSet::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_import_prints_a_configuration_may_say() {
    every_cli(async |workspace, tenant| {
        let api = custom_api(&tenant).await;
        let (app, principal) = by_hand(&tenant).await;
        let asked_for = json!([{ "resourceAppId": api, "resourceAccess": [{ "id": ROLE.to_uppercase(), "type": "Role" }] }]);
        tenant.admin(Method::PATCH, &format!("/applications/{app}"), Some(json!({ "requiredResourceAccess": asked_for }))).await;
        tenant.grant(&principal, USER_READ_ALL).await;
        // A permission that has gone, and is still granted.
        tenant.grant_scope(&principal, "User.Read").await;
        tenant.grant_scope(&principal, "Tasks.OldScope.Read").await;
        let keys = r#"["microsoft_graph/application/User.Read.All", "microsoft_graph/delegated/User.Read", "microsoft_graph/delegated/Tasks.OldScope.Read"]"#;
        let imports = format!("import {{\n  to = {SET}\n  id = \"{app}\"\n}}\nimport {{\n  to = {CONSENT}\n  id = \"{principal}\"\n}}\n");
        let own = set(&app, &api, &["API.All"], &[]);
        write(&workspace, &[&own, &consent(&principal, keys), &imports]);
        tenant.forget_requests().await;
        let applied = flat(&workspace.apply(&[]).await.unwrap());
        assert!(applied.contains("It is there already, and may stay"), "{applied}");
        assert_eq!(tenant.writes().await, Vec::<String>::new());
        assert_no_change(&workspace).await;
        // A new one of the kind is refused.
        let more = keys.replace(']', ", \"microsoft_graph/delegated/Tasks.OtherScope.Read\"]");
        write(&workspace, &[&own, &consent(&principal, &more)]);
        let refused = failed_plan(&workspace, &tenant).await;
        assert!(refused.contains("microsoft_graph has no delegated permission \"Tasks.OtherScope.Read\""), "{refused}");
        workspace.apply(&["-destroy", "-refresh=true"]).await.unwrap_err();
        write(&workspace, &[]);
        workspace.apply(&[]).await.unwrap();
        assert_eq!(scopes(&tenant, &principal).await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_all_that_is_wrong_with_the_permissions_it_names() {
    every_cli(async |workspace, tenant| {
        let api = custom_api(&tenant).await;
        let (app, principal) = by_hand(&tenant).await;
        let nothing = "00000000-0000-0000-0000-000000000000";
        let names = ["API.Off", "API.People", "API.Browse", "API.Al", "aaaaaaaa-0000-4000-8000-000000000003", SCOPE];
        let own = set(&app, &api, &names, &[]);
        let keys = [
            format!("microsoft_graph/application/{USER_READ}"),
            format!("microsoft_graph/application/{nothing}"),
            "microsoft_graph/application/99999999-0000-4000-8000-000000000009".to_owned(),
            "microsoft_graph/application/https://graph.microsoft.com/User.Read.All".to_owned(),
            "microsoft_graph/delegated/microsoft_graph/delegated/User.Raed".to_owned(),
        ];
        let keys = format!("[{}]", quoted(&keys.iter().map(String::as_str).collect::<Vec<_>>()));
        write(&workspace, &[&own, &consent(&principal, &keys)]);
        workspace.run(&["validate", "-no-color"]).await.unwrap().expect(0).unwrap();
        let said = failed_plan(&workspace, &tenant).await;
        for expected in [
            format!("{api}/application/API.Off cannot be granted at present"),
            format!("{api}/application/aaaaaaaa-0000-4000-8000-000000000003 cannot be granted at present"),
            format!("{api}/application/API.People is a role for people"),
            format!("{api} has no application permission \"API.Browse\""),
            "It has a delegated permission of that name.".to_owned(),
            format!("{api} has no application permission \"API.Al\""),
            "offers API.All".to_owned(),
            format!("{api}/application/{SCOPE} is the delegated permission API.Browse"),
            format!("microsoft_graph/application/{USER_READ} is the delegated permission User.Read"),
            format!("microsoft_graph/application/{nothing} is no permission"),
            "Nobody knows the permission microsoft_graph/application/99999999-0000-4000-8000-000000000009".to_owned(),
            "Did you mean User.Read.All?".to_owned(),
            "Did you mean User.Read".to_owned(),
        ] {
            assert!(said.contains(&expected), "\"{expected}\" is not in:\n{said}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_scopes_than_one_grant_holds_are_an_error_in_the_plan() {
    every_cli(async |workspace, tenant| {
        let (_, principal) = by_hand(&tenant).await;
        let graph = Catalog::built_in().api("microsoft_graph").unwrap();
        let all = graph.permissions().filter(|one| one.kind == Kind::Delegated && one.enabled).take(200);
        let keys: Vec<String> = all.map(|one| format!("\"microsoft_graph/delegated/{}\"", one.value)).collect();
        write(&workspace, &[&consent(&principal, &format!("[{}]", keys.join(", ")))]);
        let said = failed_plan(&workspace, &tenant).await;
        assert!(said.contains("Too many delegated permissions of microsoft_graph") && said.contains("3850"), "{said}");
        write(&workspace, &[&consent(&principal, &format!("[{}]", keys[..60].join(", ")))]);
        workspace.apply(&[]).await.unwrap();
        assert_eq!(scopes(&tenant, &principal).await.len(), 60);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_the_tenant_does_not_offer_is_found_before_the_first_grant() {
    every_cli(async |workspace, tenant| {
        let (_, principal) = by_hand(&tenant).await;
        let api = custom_api(&tenant).await;
        // The catalogue knows a permission that this tenant's API does not offer.
        let profile = format!(
            "slug = \"collector\"\nversion = 1\nvendor = \"v\"\ntitle = \"t\"\nsource = {{ title = \"s\" }}\n[app]\ndisplay_name = \"c\"\n[permissions.collector]\napplication = [\"API.Gone\"]\n[[apis]]\nkey = \"collector\"\napp_id = \"{api}\"\ndisplay_name = \"Collector\"\npermissions = [{{ value = \"API.Gone\", kind = \"application\", id = \"aaaaaaaa-0000-4000-8000-000000000009\" }}]\n"
        );
        std::fs::create_dir(workspace.folder().join("profiles")).unwrap();
        std::fs::write(workspace.folder().join("profiles/collector.toml"), profile).unwrap();
        let block = "provider \"m365\" {\n  environment = \"sandbox\"\n  catalog_paths = [\"profiles\"]\n}\n";
        let keys = r#"["microsoft_graph/application/User.Read.All", "microsoft_graph/delegated/User.Read", "collector/application/API.Gone"]"#;
        workspace.write(&format!("{HEAD}{block}{}", consent(&principal, keys))).unwrap();
        tenant.forget_requests().await;
        let failed = workspace.run(&["apply", "-no-color", "-auto-approve", "-input=false"]).await.unwrap();
        let said = flat(&failed.expect(1).unwrap());
        assert!(said.contains("The tenant has no permission collector/application/API.Gone"), "{said}");
        assert_eq!(tenant.writes().await, Vec::<String>::new());
        // What the tenant offers and the catalogue lacks can be declared.
        let keys = keys.replace("API.Gone", "API.All");
        workspace.write(&format!("{HEAD}{block}{}", consent(&principal, &keys))).unwrap();
        workspace.apply(&[]).await.unwrap();
        assert!(tenant.granted(&principal).await.contains(ROLE));
        assert_no_change(&workspace).await;
    })
    .await;
}
