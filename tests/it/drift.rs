//! What somebody changes behind the configuration's back: seen in the plan, by name, repaired by apply, and then quiet.

use crate::tenant::{Tenant, list};
use crate::workspace::{BLOCK, HEAD, Workspace, assert_no_change, change, every_cli, flat, texts};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const MAIL_READ: &str = "810c84a8-4a9e-49e6-bf7d-12d183f40d01";
const USER_READ_ALL: &str = "df021288-bdef-4463-88db-98f22de89214";
const OFFICE_365_MANAGEMENT: &str = "c5393580-f805-4401-95e8-94b7a6ef2fc2";
const ACTIVITY_FEED_READ: &str = "594c1fb6-4f81-4475-ae41-0c394909246c";
const APP: &str = "m365_connector_app.x";
const SET: &str = "m365_connector_permission_set.x";
const CONSENT: &str = "m365_admin_consent.x";
const MAIL: &str = "microsoft_graph/application/Mail.Read";

fn securends(app: &str, set: &str, consent: &str) -> String {
    format!(
        r#"{HEAD}{BLOCK}
resource "m365_connector_app" "x" {{
  profile = "securends-office365"
  {app}
}}
resource "m365_connector_permission_set" "x" {{
  application_id = m365_connector_app.x.id
  profile        = "securends-office365"
  {set}
}}
resource "m365_admin_consent" "x" {{
  service_principal_id = m365_connector_app.x.service_principal_id
  permissions          = m365_connector_permission_set.x.permissions
  {consent}
}}
"#
    )
}

/// An applied connector, and how to find its parts in the tenant.
struct Connector<'a> {
    workspace: &'a Workspace,
    tenant: &'a Tenant,
    app: Value,
    principal: String,
}

impl<'a> Connector<'a> {
    async fn applied(workspace: &'a Workspace, tenant: &'a Tenant) -> Self {
        workspace.write(&securends("", "", "")).unwrap();
        workspace.apply(&[]).await.unwrap();
        let app = tenant.applications().await.remove(0);
        let principal = tenant.principal_of(app["appId"].as_str().unwrap()).await.unwrap();
        // What is taken away from here on is no sign of a replica that lags.
        tenant.later().await;
        Self { workspace, tenant, app, principal: principal["id"].as_str().unwrap().to_owned() }
    }

    fn app_path(&self) -> String {
        format!("/applications/{}", self.app["id"].as_str().unwrap())
    }

    fn principal_path(&self) -> String {
        format!("/servicePrincipals/{}", self.principal)
    }

    async fn patch_app(&self, body: Value) {
        self.tenant.admin(Method::PATCH, &self.app_path(), Some(body)).await;
    }

    /// Plans, expects changes, and gives what `permissions` of a resource shows as added and as removed.
    async fn drift(&self, address: &str) -> (BTreeSet<String>, BTreeSet<String>, Value) {
        let (code, plan, output) = self.workspace.plan(&[]).await.unwrap();
        assert_eq!(code, 2, "{output}");
        let change = change(&plan, address).clone();
        let (before, after) = (texts(&change["before"]["permissions"]), texts(&change["after"]["permissions"]));
        (&after - &before, &before - &after, change)
    }

    /// Applies, and proves that the tenant holds what is declared, that nothing else came to be, and that the next plan is empty.
    async fn repaired(&self) {
        self.workspace.apply(&[]).await.unwrap();
        assert_no_change(self.workspace).await;
        assert_eq!(self.tenant.applications().await.len(), 1);
        assert_eq!(self.tenant.granted(&self.principal).await.len(), 2);
        assert_eq!(self.scopes().await.len(), 5);
        self.tenant.later().await;
    }

    async fn scopes(&self) -> BTreeSet<String> {
        let path = format!("/oauth2PermissionGrants?$filter=clientId%20eq%20'{}'", self.principal);
        let grants = list(&self.tenant.admin(Method::GET, &path, None).await);
        grants.iter().flat_map(|one| one["scope"].as_str().unwrap().split_whitespace().map(str::to_owned)).collect()
    }

    async fn grant_of(&self, resource: &str) -> Option<Value> {
        let path = format!(
            "/oauth2PermissionGrants?$filter=clientId%20eq%20'{}'%20and%20resourceId%20eq%20'{resource}'",
            self.principal
        );
        list(&self.tenant.admin(Method::GET, &path, None).await).into_iter().next()
    }
}

fn only(key: &str) -> BTreeSet<String> {
    BTreeSet::from([key.to_owned()])
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_of_either_kind_revoked_or_planted_also_on_an_api_that_nobody_declared() {
    every_cli(async |workspace, tenant| {
        let connector = Connector::applied(&workspace, &tenant).await;
        let graph = tenant.microsoft_graph().await;

        tenant.revoke(&connector.principal, USER_READ_ALL).await;
        let (added, removed, _) = connector.drift(CONSENT).await;
        assert_eq!((added, removed), (only("microsoft_graph/application/User.Read.All"), BTreeSet::new()));
        connector.repaired().await;

        let management = tenant.principal_of(OFFICE_365_MANAGEMENT).await.unwrap();
        let planted = json!({ "principalId": connector.principal, "resourceId": management["id"], "appRoleId": ACTIVITY_FEED_READ });
        tenant.admin(Method::POST, &format!("{}/appRoleAssignments", connector.principal_path()), Some(planted)).await;
        let (added, removed, change) = connector.drift(CONSENT).await;
        assert_eq!((added, removed), (BTreeSet::new(), only("office_365_management/application/ActivityFeed.Read")));
        assert_eq!(change["before"]["status"]["office_365_management/application/ActivityFeed.Read"], "excess");
        connector.repaired().await;

        let grant = connector.grant_of(&graph).await.unwrap();
        let path = format!("/oauth2PermissionGrants/{}", grant["id"].as_str().unwrap());
        // As the portal writes it: with a leading blank, without one scope, and with a foreign one.
        let scopes = " User.Read.All User.ReadBasic.All Directory.AccessAsUser.All Directory.Read.All Mail.Read";
        tenant.admin(Method::PATCH, &path, Some(json!({ "scope": scopes }))).await;
        let (added, removed, _) = connector.drift(CONSENT).await;
        assert_eq!((added, removed), (only("microsoft_graph/delegated/User.Read"), only("microsoft_graph/delegated/Mail.Read")));
        connector.repaired().await;

        let planted = json!({ "clientId": connector.principal, "consentType": "AllPrincipals", "resourceId": management["id"], "scope": "ActivityFeed.Read" });
        tenant.admin(Method::POST, "/oauth2PermissionGrants", Some(planted)).await;
        let (added, removed, _) = connector.drift(CONSENT).await;
        assert_eq!((added, removed), (BTreeSet::new(), only("office_365_management/delegated/ActivityFeed.Read")));
        connector.repaired().await;
        assert!(connector.grant_of(management["id"].as_str().unwrap()).await.is_none(), "an emptied grant is deleted");

        tenant.admin(Method::DELETE, &path, None).await;
        let (added, removed, _) = connector.drift(CONSENT).await;
        assert_eq!((added.len(), removed.len()), (5, 0));
        connector.repaired().await;

        // A grant to a single user, and the role that permits nothing, are not an administrator's consent.
        let user = tenant.admin(Method::POST, "/users", Some(json!({ "displayName": "u", "userPrincipalName": "u@contoso.com", "accountEnabled": true }))).await;
        let own = json!({ "clientId": connector.principal, "consentType": "Principal", "principalId": user["id"], "resourceId": graph, "scope": "Mail.Read" });
        tenant.admin(Method::POST, "/oauth2PermissionGrants", Some(own)).await;
        tenant.grant(&connector.principal, "00000000-0000-0000-0000-000000000000").await;
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requested_permissions_added_and_removed() {
    every_cli(async |workspace, tenant| {
        let connector = Connector::applied(&workspace, &tenant).await;
        let mut asked = connector.app["requiredResourceAccess"].clone();
        let before = asked.clone();
        asked[0]["resourceAccess"].as_array_mut().unwrap().push(json!({ "id": MAIL_READ, "type": "Role" }));
        connector.patch_app(json!({ "requiredResourceAccess": asked })).await;
        let (added, removed, _) = connector.drift(SET).await;
        assert_eq!((added, removed), (BTreeSet::new(), only(MAIL)));
        connector.repaired().await;

        asked = before;
        asked[0]["resourceAccess"].as_array_mut().unwrap().retain(|one| one["id"] != USER_READ_ALL);
        connector.patch_app(json!({ "requiredResourceAccess": asked })).await;
        let (added, removed, _) = connector.drift(SET).await;
        assert_eq!((added, removed), (only("microsoft_graph/application/User.Read.All"), BTreeSet::new()));
        connector.repaired().await;

        // Permissions of an API and of a name that no catalogue knows are shown by their ids.
        let unknown = "99999999-0000-4000-8000-000000000001";
        asked
            .as_array_mut()
            .unwrap()
            .push(json!({ "resourceAppId": unknown, "resourceAccess": [{ "id": unknown, "type": "Scope" }] }));
        connector.patch_app(json!({ "requiredResourceAccess": asked })).await;
        let (_, removed, _) = connector.drift(SET).await;
        assert_eq!(removed, only(&format!("{unknown}/delegated/{unknown}")));
        connector.repaired().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_principal_disabled_deleted_and_purged() {
    every_cli(async |workspace, tenant| {
        let mut connector = Connector::applied(&workspace, &tenant).await;
        tenant.admin(Method::PATCH, &connector.principal_path(), Some(json!({ "accountEnabled": false }))).await;
        let (code, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!((code, &change(&plan, APP)["before"]["account_enabled"]), (2, &json!(false)));
        connector.repaired().await;

        tenant.admin(Method::DELETE, &connector.principal_path(), None).await;
        let (added, _, change_of_consent) = connector.drift(CONSENT).await;
        assert_eq!((added.len(), &change_of_consent["actions"]), (7, &json!(["update"])));
        let (_, plan, _) = workspace.plan(&[]).await.unwrap();
        assert!(change(&plan, APP)["before"]["deleted_date_time"].is_string());
        assert_eq!(change(&plan, APP)["after"]["service_principal_id"], connector.principal.as_str());
        connector.repaired().await;

        tenant.admin(Method::DELETE, &connector.principal_path(), None).await;
        tenant.admin(Method::DELETE, &format!("/directory/deletedItems/{}", connector.principal), None).await;
        let (code, plan, output) = workspace.plan(&[]).await.unwrap();
        assert_eq!((code, &change(&plan, APP)["before"]["service_principal_id"]), (2, &Value::Null), "{output}");
        assert_eq!(change(&plan, APP)["after_unknown"]["service_principal_id"], json!(true));
        assert_eq!(change(&plan, CONSENT)["actions"], json!(["create"]));
        workspace.apply(&[]).await.unwrap();
        let former = std::mem::take(&mut connector.principal);
        let found = tenant.principal_of(connector.app["appId"].as_str().unwrap()).await.unwrap();
        connector.principal = found["id"].as_str().unwrap().to_owned();
        assert_ne!(connector.principal, former);
        connector.repaired().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_application_is_restored_under_its_ids_with_its_grants() {
    every_cli(async |workspace, tenant| {
        let connector = Connector::applied(&workspace, &tenant).await;
        for renamed in [false, true] {
            if renamed {
                connector.patch_app(json!({ "displayName": "Renamed before it was deleted" })).await;
            }
            tenant.admin(Method::DELETE, &connector.app_path(), None).await;
            let (code, plan, output) = workspace.plan(&[]).await.unwrap();
            assert_eq!(code, 2, "{output}");
            let app = change(&plan, APP);
            assert_eq!(app["actions"], json!(["update"]));
            assert!(app["before"]["deleted_date_time"].is_string() && app["after"]["deleted_date_time"].is_null());
            assert_eq!(app["after"]["client_id"], connector.app["appId"]);
            assert_eq!(change(&plan, SET)["actions"], json!(["no-op"]), "it asks for the same once it is restored");
            let consent = change(&plan, CONSENT);
            assert_eq!((&consent["actions"], texts(&consent["before"]["permissions"]).len()), (&json!(["update"]), 0));
            connector.repaired().await;
            let restored = tenant.applications().await.remove(0);
            assert_eq!((&restored["id"], &restored["appId"]), (&connector.app["id"], &connector.app["appId"]));
            assert_eq!(restored["displayName"], "SecurEnds - Office 365");
        }
        // Only the consent went with the principal; a consent that is declared no longer is not given again.
        tenant.admin(Method::DELETE, &connector.app_path(), None).await;
        workspace.plan(&[]).await.unwrap();
        tenant.admin(Method::DELETE, &format!("/directory/deletedItems/{}", connector.principal), None).await;
        let failed =
            workspace.run(&["apply", "-no-color", "-input=false", "plan.out"]).await.unwrap().expect(1).unwrap();
        assert!(flat(&failed).contains("Plan again"), "{failed}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tainted_application_comes_back_empty_and_a_tainted_consent_gives_back_what_it_added() {
    every_cli(async |workspace, tenant| {
        let mut connector = Connector::applied(&workspace, &tenant).await;
        let secret =
            tenant.admin(Method::POST, &format!("{}/addPassword", connector.app_path()), Some(json!({}))).await;
        connector.patch_app(json!({ "notes": "left by somebody" })).await;
        workspace.run(&["taint", APP]).await.unwrap().expect(0).unwrap();
        let applied = workspace.apply(&[]).await.unwrap();
        assert!(flat(&applied).contains("was restored"), "{applied}");
        let app = tenant.applications().await.remove(0);
        assert_eq!(app["id"], connector.app["id"], "its unique name was still taken");
        assert_eq!((&app["passwordCredentials"], &app["notes"]), (&json!([]), &Value::Null), "{secret}");
        let principal =
            tenant.principal_of(app["appId"].as_str().unwrap()).await.unwrap()["id"].as_str().unwrap().to_owned();
        assert_ne!(principal, connector.principal, "no old grant can return with a new service principal");
        connector.principal = principal;
        connector.repaired().await;
        assert_eq!(
            list(&tenant.admin(Method::GET, "/directory/deletedItems/microsoft.graph.servicePrincipal", None).await),
            Vec::<Value>::new()
        );

        tenant.grant(&connector.principal, MAIL_READ).await;
        workspace.run(&["taint", CONSENT]).await.unwrap().expect(0).unwrap();
        let (code, plan, output) = workspace.plan(&[]).await.unwrap();
        assert_eq!((code, &change(&plan, CONSENT)["actions"]), (2, &json!(["delete", "create"])), "{output}");
        assert!(flat(&output).contains("holds grants that are not declared") && output.contains(MAIL), "{output}");
        workspace.apply(&[]).await.unwrap();
        assert_eq!(
            tenant.granted(&connector.principal).await.len(),
            3,
            "the foreign grant was not the tainted consent's to revoke"
        );
        let (_, removed, _) = connector.drift(CONSENT).await;
        assert_eq!(removed, only(MAIL));
        connector.repaired().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn turning_exclusive_on_and_off_says_what_goes_and_what_stays() {
    every_cli(async |workspace, tenant| {
        let connector = Connector::applied(&workspace, &tenant).await;
        tenant.grant(&connector.principal, MAIL_READ).await;
        let mut asked = connector.app["requiredResourceAccess"].clone();
        asked[0]["resourceAccess"].as_array_mut().unwrap().push(json!({ "id": MAIL_READ, "type": "Role" }));
        connector.patch_app(json!({ "requiredResourceAccess": asked })).await;

        workspace.write(&securends("", "exclusive = false", "exclusive = false")).unwrap();
        let (code, plan, output) = workspace.plan(&[]).await.unwrap();
        assert_eq!(code, 2, "{output}");
        assert_eq!(change(&plan, CONSENT)["after"]["status"][MAIL], "foreign");
        let text = flat(&output);
        assert!(
            text.contains("shows grants as removed that are kept")
                && text.contains("as removed that the application keeps"),
            "{output}"
        );
        tenant.forget_requests().await;
        workspace.apply(&[]).await.unwrap();
        assert_eq!(tenant.writes().await, Vec::<String>::new(), "nothing has to be written to let things be");
        assert_eq!(tenant.granted(&connector.principal).await.len(), 3);
        assert_no_change(&workspace).await;

        workspace.write(&securends("", "", "")).unwrap();
        let (code, plan, output) = workspace.plan(&[]).await.unwrap();
        assert_eq!(code, 2);
        let consent = change(&plan, CONSENT);
        assert_eq!(
            (&consent["before"]["status"][MAIL], &consent["after"]["status"][MAIL]),
            (&json!("foreign"), &Value::Null)
        );
        assert!(flat(&output).contains("Permissions that the plan does not list will be withdrawn"), "{output}");
        connector.repaired().await;
        assert_eq!(
            tenant.applications().await[0]["requiredResourceAccess"][0]["resourceAccess"].as_array().unwrap().len(),
            7
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_tolerates_a_grant_to_the_end_of_its_last_day() {
    every_cli(async |workspace, tenant| {
        let clock = async |now: &str| {
            assert_eq!(tenant.control(Method::POST, "clock", Some(json!({ "now": now }))).await.0, 204);
        };
        clock("2027-01-10T12:00:00Z").await;
        let connector = Connector::applied(&workspace, &tenant).await;
        tenant.grant(&connector.principal, MAIL_READ).await;
        let excepted =
            format!("exceptions = {{\n    \"{MAIL}\" = {{ until = \"2027-01-31\", reason = \"migration\" }}\n  }}");
        workspace.write(&securends("", "", &excepted)).unwrap();
        let (code, plan, output) = workspace.plan(&[]).await.unwrap();
        assert_eq!((code, &change(&plan, CONSENT)["after"]["status"][MAIL]), (2, &json!("excepted")), "{output}");
        assert!(flat(&output).contains("shows grants as removed that are kept"), "{output}");
        workspace.apply(&[]).await.unwrap();
        assert_eq!(tenant.granted(&connector.principal).await.len(), 3);
        assert_no_change(&workspace).await;

        clock("2027-01-31T23:59:50Z").await;
        assert_no_change(&workspace).await;
        clock("2027-02-01T00:00:10Z").await;
        let (_, removed, change_of_consent) = connector.drift(CONSENT).await;
        assert_eq!((removed, &change_of_consent["before"]["status"][MAIL]), (only(MAIL), &json!("excess")));
        connector.repaired().await;

        clock("2027-01-20T00:00:00Z").await;
        tenant.grant(&connector.principal, MAIL_READ).await;
        assert_no_change(&workspace).await;
        workspace.write(&securends("", "", "")).unwrap();
        let (code, plan, _) = workspace.plan(&[]).await.unwrap();
        let consent = change(&plan, CONSENT);
        assert_eq!(
            (code, &consent["before"]["status"][MAIL], &consent["after"]["status"][MAIL]),
            (2, &json!("excepted"), &Value::Null)
        );
        connector.repaired().await;
    })
    .await;
}
