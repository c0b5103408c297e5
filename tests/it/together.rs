//! Several resources on one object, replacements, and what a destroy leaves to others.

use crate::tenant::{Tenant, list};
use crate::workspace::{BLOCK, HEAD, assert_no_change, change, every_cli, failed_plan, flat, texts};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const MAIL_READ: &str = "810c84a8-4a9e-49e6-bf7d-12d183f40d01";
const USER_READ_ALL: &str = "df021288-bdef-4463-88db-98f22de89214";
const AUDIT_LOG: &str = "b0afded3-3588-46d8-8b3d-9842eff778da";

fn app(name: &str, body: &str) -> String {
    format!("resource \"m365_connector_app\" \"{name}\" {{\n  display_name = \"{name}\"\n  {body}\n}}\n")
}

/// A permission set and a consent for application permissions of Graph.
fn pair(name: &str, application: &str, principal: &str, permissions: &[&str], body: &str) -> String {
    let names = permissions.iter().map(|one| format!("\"{one}\"")).collect::<Vec<_>>().join(", ");
    format!(
        r#"
resource "m365_connector_permission_set" "{name}" {{
  application_id = {application}
  apis           = {{ microsoft_graph = {{ application = [{names}] }} }}
  {body}
}}
resource "m365_admin_consent" "{name}" {{
  service_principal_id = {principal}
  permissions          = m365_connector_permission_set.{name}.permissions
  {body}
}}
"#
    )
}

/// The same with permissions that are written out, so that neither waits for the other.
fn apart(name: &str, application: &str, principal: &str, permission: &str, body: &str) -> String {
    let whole = pair(name, application, principal, &[permission], body);
    whole.replace(
        &format!("m365_connector_permission_set.{name}.permissions"),
        &format!("[\"microsoft_graph/application/{permission}\"]"),
    )
}

/// An application that somebody made by hand, with one permission that is asked for and granted.
async fn by_hand(tenant: &Tenant) -> (Value, String) {
    let asked = json!([{ "resourceAppId": "00000003-0000-0000-c000-000000000000", "resourceAccess": [{ "id": USER_READ_ALL, "type": "Role" }] }]);
    let made = tenant
        .admin(
            Method::POST,
            "/applications",
            Some(json!({ "displayName": "by hand", "requiredResourceAccess": asked })),
        )
        .await;
    let principal = tenant.admin(Method::POST, "/servicePrincipals", Some(json!({ "appId": made["appId"] }))).await;
    let id = principal["id"].as_str().unwrap().to_owned();
    tenant.grant(&id, USER_READ_ALL).await;
    (made, id)
}

async fn asked(tenant: &Tenant, app: &Value) -> BTreeSet<String> {
    let now = tenant.admin(Method::GET, &format!("/applications/{}", app["id"].as_str().unwrap()), None).await;
    let apis = now["requiredResourceAccess"].as_array().unwrap().clone();
    apis.iter()
        .flat_map(|api| api["resourceAccess"].as_array().unwrap().clone())
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect()
}

fn set_of(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn several_shared_sets_and_consents_add_to_one_application_and_each_takes_back_its_own() {
    every_cli(async |workspace, tenant| {
        let (made, principal) = by_hand(&tenant).await;
        let (id, sp) = (made["id"].to_string(), format!("\"{principal}\""));
        let one = pair("one", &id, &sp, &["User.Read.All", "AuditLog.Read.All"], "exclusive = false");
        let two = pair("two", &id, &sp, &["AuditLog.Read.All", "Mail.Read"], "exclusive = false");
        workspace.write(&format!("{HEAD}{BLOCK}{one}{two}")).unwrap();
        let applied = workspace.apply(&[]).await.unwrap();
        assert!(
            flat(&applied).contains("held some of these grants already") && applied.contains("User.Read.All"),
            "{applied}"
        );
        let all = set_of(&[USER_READ_ALL, AUDIT_LOG, MAIL_READ]);
        assert_eq!((asked(&tenant, &made).await, tenant.granted(&principal).await), (all.clone(), all));
        assert_no_change(&workspace).await;

        // A grant that nobody here declares is nobody's drift.
        tenant.grant(&principal, "7ab1d382-f21e-4acd-a863-ba3e13f7da61").await;
        assert_no_change(&workspace).await;
        // One that is declared, and gone, is.
        tenant.revoke(&principal, MAIL_READ).await;
        let (code, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!(
            (
                code,
                &change(&plan, "m365_admin_consent.two")["before"]["status"]["microsoft_graph/application/Mail.Read"]
            ),
            (2, &json!("missing"))
        );
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;

        workspace.write(&format!("{HEAD}{BLOCK}")).unwrap();
        workspace.apply(&[]).await.unwrap();
        assert_eq!(asked(&tenant, &made).await, set_of(&[USER_READ_ALL]), "what was there before stays");
        assert_eq!(tenant.granted(&principal).await, set_of(&[USER_READ_ALL, "7ab1d382-f21e-4acd-a863-ba3e13f7da61"]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusive_resource_beside_another_one_is_an_error_before_anything_is_written() {
    every_cli(async |workspace, tenant| {
        let (made, principal) = by_hand(&tenant).await;
        let (id, sp) = (made["id"].to_string(), format!("\"{principal}\""));
        let one = apart("one", &id, &sp, "User.Read.All", "");
        let two = apart("two", &id, &sp, "User.Read.All", "exclusive = false");
        workspace.write(&format!("{HEAD}{BLOCK}{one}{two}")).unwrap();
        let output = failed_plan(&workspace, &tenant).await;
        assert!(
            output.contains("Two permission sets manage one application, and one of them is exclusive"),
            "{output}"
        );
        assert!(
            output.contains("Two consents grant to one service principal, and one of them is exclusive"),
            "{output}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusive_create_that_finds_undeclared_entries_is_an_error_in_the_plan() {
    every_cli(async |workspace, tenant| {
        let (made, principal) = by_hand(&tenant).await;
        let (id, sp) = (made["id"].to_string(), format!("\"{principal}\""));
        workspace.write(&format!("{HEAD}{BLOCK}{}", apart("one", &id, &sp, "AuditLog.Read.All", ""))).unwrap();
        let output = failed_plan(&workspace, &tenant).await;
        assert!(output.contains("The application already asks for permissions that are not declared"), "{output}");
        assert!(output.contains("The service principal already holds grants that are not declared"), "{output}");
        assert!(output.contains("- microsoft_graph/application/User.Read.All") && output.contains("`exclusive = false`"), "{output}");
        // An exception covers what is there.
        let consent = format!("resource \"m365_admin_consent\" \"x\" {{\n  service_principal_id = {sp}\n  permissions = [\"microsoft_graph/application/AuditLog.Read.All\"]\n  exceptions = {{ \"microsoft_graph/application/User.Read.All\" = {{ until = \"2999-01-01\", reason = \"x\" }} }}\n}}\n");
        workspace.write(&format!("{HEAD}{BLOCK}{consent}")).unwrap();
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        assert_eq!(tenant.granted(&principal).await.len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_new_applications_of_one_name_are_an_error_and_a_replacement_is_not_its_own_rival() {
    every_cli(async |workspace, tenant| {
        workspace.write(&format!("{HEAD}{BLOCK}resource \"m365_connector_app\" \"x\" {{\n  count = 2\n  profile = \"securends-office365\"\n}}\n")).unwrap();
        let output = failed_plan(&workspace, &tenant).await;
        assert!(output.contains("Two applications of this configuration have the unique name \"securends-office365\""), "{output}");

        let whole = format!("{HEAD}{BLOCK}{}{}", app("x", "deletion = \"permanent\""), pair("x", "m365_connector_app.x.id", "m365_connector_app.x.service_principal_id", &["User.Read.All"], ""));
        workspace.write(&whole).unwrap();
        workspace.apply(&[]).await.unwrap();
        let before = tenant.applications().await.remove(0);
        for address in ["m365_admin_consent.x", "m365_connector_permission_set.x", "m365_connector_app.x"] {
            let (code, plan, output) = workspace.plan(&[&format!("-replace={address}")]).await.unwrap();
            assert_eq!((code, &change(&plan, address)["actions"]), (2, &json!(["delete", "create"])), "{output}");
            workspace.run(&["apply", "-no-color", "-input=false", "plan.out"]).await.unwrap().expect(0).unwrap();
            assert_no_change(&workspace).await;
            assert_eq!(tenant.applications().await.len(), 1);
        }
        let after = tenant.applications().await.remove(0);
        assert_ne!(before["id"], after["id"]);
        // A changed unique name replaces, too.
        workspace.write(&whole.replace("deletion =", "unique_name = \"other\"\n  deletion =")).unwrap();
        let (_, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!(change(&plan, "m365_connector_app.x")["actions"], json!(["delete", "create"]));
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        assert_eq!(tenant.applications().await[0]["uniqueName"], "other");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn created_before_destroyed_what_the_new_one_took_over_stays() {
    every_cli(async |workspace, tenant| {
        let first = "lifecycle {\n    create_before_destroy = true\n  }";
        let (made, principal) = by_hand(&tenant).await;
        let (id, sp) = (made["id"].to_string(), format!("\"{principal}\""));
        let whole = |more: &str| {
            format!(
                "{HEAD}{BLOCK}{}{}",
                app("x", &format!("{first}\n  {more}")),
                pair("x", &id, &sp, &["User.Read.All", "AuditLog.Read.All"], &format!("exclusive = false\n  {first}"))
            )
        };
        workspace.write(&whole("")).unwrap();
        workspace.apply(&[]).await.unwrap();
        let app = tenant.applications().await.into_iter().find(|app| app["displayName"] == "x").unwrap();
        let replace = ["-replace=m365_admin_consent.x", "-replace=m365_connector_permission_set.x"];
        let applied = flat(&workspace.apply(&replace).await.unwrap());
        assert!(
            applied.contains("Grants were not revoked") && applied.contains("Permissions were not withdrawn"),
            "{applied}"
        );
        // A later write confirms the create: from then on the application is no leftover of an unfinished one.
        workspace.write(&whole("notes = \"confirmed\"")).unwrap();
        workspace.apply(&[]).await.unwrap();
        // The new application would need the name of the old one, which is still there.
        let replace = ["-replace=m365_connector_app.x"];
        let failed = workspace
            .run(&[&["apply", "-no-color", "-auto-approve", "-input=false"][..], &replace].concat())
            .await
            .unwrap();
        assert!(flat(&failed.expect(1).unwrap()).contains("Another application already has the unique name"));
        workspace.write(&whole("on_existing = \"adopt\"")).unwrap();
        let applied = flat(&workspace.apply(&replace).await.unwrap());
        assert!(applied.contains("was taken over") && applied.contains("was not deleted"), "{applied}");
        assert!(tenant.applications().await.iter().any(|one| one["id"] == app["id"]));
        assert_eq!(tenant.granted(&principal).await, set_of(&[USER_READ_ALL, AUDIT_LOG]));
        assert_eq!(asked(&tenant, &made).await, set_of(&[USER_READ_ALL, AUDIT_LOG]));
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_of_another_tenant_can_be_consented_to_and_nothing_else() {
    every_cli(async |workspace, tenant| {
        const VENDOR: &str = "11111111-aaaa-4000-8000-000000000001";
        let path = format!("{}/tenants/{VENDOR}/v1.0/applications", tenant.connection().control);
        let foreign = tenant.at(Method::POST, &path, Some(json!({ "displayName": "Vendor", "signInAudience": "AzureADMultipleOrgs" }))).await;
        let principal = tenant.admin(Method::POST, "/servicePrincipals", Some(json!({ "appId": foreign["appId"] }))).await;
        let look_up = format!("data \"m365_connector_app\" \"vendor\" {{\n  client_id = {}\n}}\n", foreign["appId"]);
        let consent = "resource \"m365_admin_consent\" \"x\" {\n  service_principal_id = data.m365_connector_app.vendor.service_principal_id\n  permissions = [\"microsoft_graph/application/User.Read.All\"]\n}\noutput \"home\" {\n  value = data.m365_connector_app.vendor.owner_tenant_id\n}\n";
        workspace.write(&format!("{HEAD}{BLOCK}{look_up}{consent}")).unwrap();
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        let id = principal["id"].as_str().unwrap();
        assert_eq!(tenant.granted(id).await, set_of(&[USER_READ_ALL]));
        let home = workspace.run(&["output", "-raw", "home"]).await.unwrap().output;
        assert!(home.contains(VENDOR), "{home}");

        for named in [foreign["appId"].as_str().unwrap(), id] {
            let set = format!("resource \"m365_connector_permission_set\" \"x\" {{\n  application_id = \"{named}\"\n  apis = {{ microsoft_graph = {{ application = [\"User.Read.All\"] }} }}\n}}\n");
            workspace.write(&format!("{HEAD}{BLOCK}{look_up}{consent}{set}")).unwrap();
            let output = failed_plan(&workspace, &tenant).await;
            assert!(output.contains(&format!("lives in tenant {VENDOR}, only consent is possible")), "{output}");
        }
        workspace.write(&format!("{HEAD}{BLOCK}")).unwrap();
        workspace.apply(&[]).await.unwrap();
        assert!(tenant.granted(id).await.is_empty());
        assert!(tenant.principal_of(foreign["appId"].as_str().unwrap()).await.is_some(), "the principal was not ours to delete");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn destroyed_and_made_again_the_application_is_restored_or_purged() {
    every_cli(async |workspace, tenant| {
        let whole = |more: &str| format!("{HEAD}{BLOCK}{}{}", app("x", more), pair("x", "m365_connector_app.x.id", "m365_connector_app.x.service_principal_id", &["User.Read.All"], ""));
        workspace.write(&whole("")).unwrap();
        workspace.apply(&[]).await.unwrap();
        let first = tenant.applications().await.remove(0);
        let user = tenant.admin(Method::POST, "/users", Some(json!({ "displayName": "u", "userPrincipalName": "u@contoso.com" }))).await;
        let path = format!("/applications/{}", first["id"].as_str().unwrap());
        tenant.admin(Method::POST, &format!("{path}/owners/$ref"), Some(json!({ "@odata.id": format!("x/{}", user["id"].as_str().unwrap()) }))).await;
        let federated = json!({ "name": "planted", "issuer": "https://i.example", "subject": "s", "audiences": ["api://AzureADTokenExchange"] });
        tenant.admin(Method::POST, &format!("{path}/federatedIdentityCredentials"), Some(federated)).await;
        workspace.apply(&["-destroy"]).await.unwrap();

        let applied = flat(&workspace.apply(&[]).await.unwrap());
        assert!(applied.contains("The deleted application \"x\" was restored"), "{applied}");
        assert_no_change(&workspace).await;
        let second = tenant.applications().await.remove(0);
        assert_eq!((&second["id"], &second["appId"]), (&first["id"], &first["appId"]));
        let owners = list(&tenant.admin(Method::GET, &format!("{path}/owners"), None).await);
        assert!(owners.iter().all(|owner| owner["id"] != user["id"]), "{owners:?}");
        assert!(list(&tenant.admin(Method::GET, &format!("{path}/federatedIdentityCredentials"), None).await).is_empty());
        assert!(list(&tenant.admin(Method::GET, "/directory/deletedItems/microsoft.graph.servicePrincipal", None).await).is_empty());

        workspace.apply(&["-destroy"]).await.unwrap();
        workspace.write(&whole("restore_deleted = false")).unwrap();
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        assert_ne!(tenant.applications().await.remove(0)["id"], first["id"]);
        assert!(list(&tenant.admin(Method::GET, "/directory/deletedItems/microsoft.graph.application", None).await).is_empty());
        workspace.apply(&["-destroy"]).await.unwrap();

        // A deleted application that is not ours is left alone, and the error says how to go on.
        let other = tenant.admin(Method::POST, "/applications", Some(json!({ "displayName": "theirs", "uniqueName": "theirs" }))).await;
        tenant.admin(Method::DELETE, &format!("/applications/{}", other["id"].as_str().unwrap()), None).await;
        workspace.write(&format!("{HEAD}{BLOCK}{}", app("y", "unique_name = \"theirs\""))).unwrap();
        let failed = flat(&workspace.run(&["apply", "-no-color", "-auto-approve", "-input=false"]).await.unwrap().expect(1).unwrap());
        assert!(failed.contains("this provider did not make it") && failed.contains(other["id"].as_str().unwrap()), "{failed}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_refresh_the_plan_is_about_the_state_alone() {
    every_cli(async |workspace, tenant| {
        let whole = |permissions: &[&str]| {
            format!(
                "{HEAD}{BLOCK}{}{}",
                app("x", ""),
                pair("x", "m365_connector_app.x.id", "m365_connector_app.x.service_principal_id", permissions, "")
            )
        };
        workspace.write(&whole(&["User.Read.All"])).unwrap();
        workspace.apply(&[]).await.unwrap();
        let app = tenant.applications().await.remove(0);
        let principal =
            tenant.principal_of(app["appId"].as_str().unwrap()).await.unwrap()["id"].as_str().unwrap().to_owned();
        tenant.grant(&principal, MAIL_READ).await;
        let (code, _, output) = workspace.plan(&["-refresh=false"]).await.unwrap();
        assert_eq!(code, 0, "{output}");
        workspace.write(&whole(&["User.Read.All", "AuditLog.Read.All"])).unwrap();
        let (code, plan, _) = workspace.plan(&["-refresh=false"]).await.unwrap();
        let consent = change(&plan, "m365_admin_consent.x");
        assert_eq!(
            (code, &texts(&consent["after"]["permissions"]) - &texts(&consent["before"]["permissions"])),
            (2, set_of(&["microsoft_graph/application/AuditLog.Read.All"]))
        );
        workspace.run(&["apply", "-no-color", "-input=false", "plan.out"]).await.unwrap().expect(0).unwrap();
        assert_eq!(
            tenant.granted(&principal).await,
            set_of(&[USER_READ_ALL, MAIL_READ, AUDIT_LOG]),
            "no plan showed the foreign grant, so no apply revoked it"
        );
        let (code, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!(
            (code, &change(&plan, "m365_admin_consent.x")["before"]["status"]["microsoft_graph/application/Mail.Read"]),
            (2, &json!("excess"))
        );
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_block_that_is_not_known_yet_still_plans_creates() {
    every_cli(async |workspace, tenant| {
        let block = "resource \"terraform_data\" \"secret\" {\n  input = \"sandbox-only-not-a-real-secret\"\n}\nprovider \"m365\" {\n  environment = \"sandbox\"\n  client_secret = terraform_data.secret.output\n}\n";
        let whole = format!("{HEAD}{block}{}{}", app("x", ""), pair("x", "m365_connector_app.x.id", "m365_connector_app.x.service_principal_id", &["User.Read.All"], ""));
        workspace.write(&whole).unwrap();
        let (code, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!((code, texts(&change(&plan, "m365_admin_consent.x")["after"]["permissions"])), (2, set_of(&["microsoft_graph/application/User.Read.All"])));
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        assert_eq!(tenant.applications().await.len(), 1);
        // What exists cannot be looked at with a secret that is still to be made.
        workspace.run(&["taint", "terraform_data.secret"]).await.unwrap().expect(0).unwrap();
        let failed = flat(&workspace.run(&["plan", "-no-color", "-input=false", "-replace=terraform_data.secret"]).await.unwrap().expect(1).unwrap());
        assert!(failed.contains("The provider's configuration is not known yet") && failed.contains("`client_secret`") && failed.contains("-target"), "{failed}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_provider_process_serves_two_tenants() {
    every_cli(async |workspace, tenant| {
        const SECOND: &str = "22222222-bbbb-4000-8000-000000000002";
        let both = format!("{HEAD}{BLOCK}{}{}", app("here", ""), app("there", &format!("tenant_id = \"{SECOND}\"")));
        workspace.write(&both).unwrap();
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        let names = |apps: Vec<Value>| {
            apps.iter()
                .map(|app| app["displayName"].as_str().unwrap().to_owned())
                .filter(|name| name != "Sandbox operator")
                .collect::<Vec<_>>()
        };
        assert_eq!(names(tenant.applications().await), ["here"]);
        let path = format!("{}/tenants/{SECOND}/v1.0/applications", tenant.connection().control);
        assert_eq!(names(list(&tenant.at(Method::GET, &path, None).await)), ["there"]);
        // A provider that points elsewhere is an error, never a replacement.
        workspace
            .write(&both.replace(
                "environment = \"sandbox\"",
                &format!("environment = \"sandbox\"\n  tenant_id = \"{SECOND}\""),
            ))
            .unwrap();
        let output = failed_plan(&workspace, &tenant).await;
        assert!(output.contains("The object lives in another tenant"), "{output}");
    })
    .await;
}
