//! What bad input gets: one clear error at its attribute, all findings at once, and no request that writes.

use crate::tenant::Tenant;
use crate::workspace::{BLOCK, HEAD, Workspace, every_cli, failed_plan, flat};
use reqwest::Method;
use serde_json::{Value, json};

const APP: &str = "resource \"m365_connector_app\" \"x\" {\n  display_name = \"x\"\n}\n";

/// Plans a configuration and expects each text in its errors.
async fn refused(workspace: &Workspace, tenant: &Tenant, configuration: &str, expected: &[&str]) {
    workspace.write(&format!("{HEAD}{configuration}")).unwrap();
    let output = failed_plan(workspace, tenant).await;
    for text in expected {
        assert!(output.contains(text), "\"{text}\" is not in:\n{output}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_do_not_exist_are_all_reported_at_once_with_the_nearest_ones() {
    every_cli(async |workspace, tenant| {
        let set = |body: &str| format!("{BLOCK}{APP}resource \"m365_connector_permission_set\" \"x\" {{\n  application_id = m365_connector_app.x.id\n  {body}\n}}\n");
        refused(&workspace, &tenant, &set(r#"apis = {
            windows_defender_atp = { application = ["Machine.Raed.All", "SecurityIncident.Read.All"] }
            microsoft_graph      = { application = ["Directory.AccessAsUser.All"], delegated = ["User.Raed"] }
        }"#), &[
            "windows_defender_atp has no application permission \"Machine.Raed.All\"", "Did you mean Machine.Read.All",
            "The name exists in microsoft_graph",
            "microsoft_graph has no application permission \"Directory.AccessAsUser.All\"", "It has a delegated permission of that name.",
            "microsoft_graph has no delegated permission \"User.Raed\"",
            "Machine.Raed.All\", \"SecurityIncident.Read.All\"",
        ]).await;
        refused(&workspace, &tenant, &set(r#"apis = { microsoft_grap = { application = ["User.Read.All"] } }"#), &["There is no API \"microsoft_grap\"", "Did you mean microsoft_graph?", "client id"]).await;
        refused(&workspace, &tenant, &set(r#"profile = "securends-ofice365""#), &["There is no usable profile \"securends-ofice365\"", "Did you mean securends-office365"]).await;
        refused(&workspace, &tenant, &set("profile = \"threatdefence-graph\"\n  features = [\"isolator\", \"intune\"]"), &["has no such feature", "\"isolator\"", "Did you mean user-isolator?"]).await;
        refused(&workspace, &tenant, &set(r#"profile = "securends-office365@9""#), &["has no version 9; it has 1"]).await;
        refused(&workspace, &tenant, &set(""), &["names no permissions"]).await;
        let vendors = format!("{BLOCK}resource \"m365_connector_app\" \"x\" {{\n  profile      = \"cisco-etd\"\n  display_name = \"x\"\n}}\n");
        refused(&workspace, &tenant, &vendors, &["The connector \"cisco-etd\" uses the vendor's own application", "m365_admin_consent"]).await;
        refused(&workspace, &tenant, &set("apis = {}\n  features = [\"x\"]"), &["`features` needs a `profile`"]).await;
        let consent = format!("{BLOCK}resource \"m365_admin_consent\" \"x\" {{\n  service_principal_id = \"11111111-2222-3333-4444-555555555555\"\n  permissions = [\"User.Read.All\", \"microsoft_graph/application/User.Raed.All\"]\n}}\n");
        refused(&workspace, &tenant, &consent, &["\"User.Read.All\" is no permission key", "<api>/<application or delegated>/<name>", "Did you mean User.Read.All"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_the_wrong_form() {
    every_cli(async |workspace, tenant| {
        refused(&workspace, &tenant, &format!("{BLOCK}resource \"m365_connector_app\" \"x\" {{\n  display_name = \"x\"\n  sign_in_audience = \"Mine\"\n  on_existing = \"overwrite\"\n  web_redirect_uris = [\"http://vendor.example\"]\n  tags = [\"two words\"]\n  timeouts = {{ create = \"soon\" }}\n}}\n"), &[
            "`sign_in_audience`", "`on_existing` cannot be \"overwrite\"", "`tags`", "`timeouts.create`",
        ]).await;
        refused(&workspace, &tenant, &format!("{BLOCK}resource \"m365_connector_app\" \"x\" {{\n  tenant_id = \"contoso\"\n  display_name = \"x\"\n  owners = [\"me\"]\n}}\n"), &["`tenant_id` is not a GUID", "`owners` is not a GUID"]).await;
        for wait in ["0s", "999999999999999999999h", "2562047788015215h30m", "1d"] {
            refused(&workspace, &tenant, &format!("{BLOCK}resource \"m365_connector_app\" \"x\" {{\n  display_name = \"x\"\n  timeouts = {{ create = \"{wait}\" }}\n}}\n"), &["`timeouts.create` is no usable wait"]).await;
            refused(&workspace, &tenant, &format!("provider \"m365\" {{\n  environment = \"sandbox\"\n  request_timeout = \"{wait}\"\n}}\n{APP}"), &["`request_timeout` is no usable wait"]).await;
        }
        refused(&workspace, &tenant, &format!("{BLOCK}resource \"m365_connector_app\" \"x\" {{\n  display_name = \"x\"\n  web_redirect_uris = [\"http://vendor.example\", \"vendor\"]\n}}\n"), &["\"http://vendor.example\" cannot be a redirect URI", "plain `http`", "\"vendor\" cannot be a redirect URI"]).await;
        refused(&workspace, &tenant, &format!("{BLOCK}resource \"m365_connector_app\" \"x\" {{\n}}\n"), &["The application needs a name"]).await;
        refused(&workspace, &tenant, &format!("{BLOCK}resource \"m365_connector_app\" \"x\" {{\n  display_name = \"安全\"\n}}\n"), &["No `unique_name` can be derived", "Set `unique_name`"]).await;
        refused(&workspace, &tenant, &format!("{BLOCK}resource \"m365_connector_app\" \"x\" {{\n  profile = \"defense-com-users\"\n}}\n"), &["somebody else made", "data source"]).await;
        refused(&workspace, &tenant, &format!("{BLOCK}resource \"m365_connector_app\" \"x\" {{\n  display_name = \"x\"\n  colour = \"red\"\n}}\n"), &["colour"]).await;
        let consent = |exceptions: &str| format!("{BLOCK}resource \"m365_admin_consent\" \"x\" {{\n  service_principal_id = \"11111111-2222-3333-4444-555555555555\"\n  permissions = []\n  {exceptions}\n}}\n");
        refused(&workspace, &tenant, &consent("exceptions = { \"microsoft_graph/application/Mail.Read\" = { until = \"31.1.2027\", reason = \"x\" } }"), &["\"31.1.2027\" is no day", "2027-01-31"]).await;
        refused(&workspace, &tenant, &consent("exclusive = false\n  exceptions = { \"microsoft_graph/application/Mail.Read\" = { until = \"2027-01-31\", reason = \"x\" } }"), &["`exceptions` need an exclusive consent"]).await;
        refused(&workspace, &tenant, &format!("{BLOCK}resource \"m365_admin_consent\" \"x\" {{\n  service_principal_id = \"principal\"\n  permissions = []\n}}\n"), &["`service_principal_id` is not a GUID"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_block_that_cannot_work() {
    every_cli(async |workspace, tenant| {
        let block = |body: &str| format!("provider \"m365\" {{\n  {body}\n}}\n{APP}");
        refused(&workspace, &tenant, &block("environment = \"publik\""), &["There is no environment \"publik\"", "`public`"]).await;
        refused(&workspace, &tenant, &block("environment = \"sandbox\"\n  tenant_id = \"my tenant\""), &["`tenant_id` is neither a GUID nor a domain"]).await;
        refused(&workspace, &tenant, &block("environment = \"sandbox\"\n  client_id = \"me\""), &["`client_id` is not a GUID"]).await;
        refused(&workspace, &tenant, &block("environment = \"sandbox\"\n  endpoints = { graph = \"http://graph.example\" }"), &["`endpoints.graph` is no usable URL"]).await;
        refused(&workspace, &tenant, &block("environment = \"sandbox\"\n  endpoints = { graph = \"graph\", login = \"ftp://x\" }"), &["`endpoints.graph`", "`endpoints.login`"]).await;
        refused(&workspace, &tenant, &block("environment = \"sandbox\"\n  catalog_paths = [\"no-such-folder\"]"), &["A connector profile cannot be used", "no-such-folder", "cannot be read"]).await;
        refused(&workspace, &tenant, &block("tenant_id = \"5a4d0000-0000-4000-8000-00000000a365\""), &["No credentials are given", "`client_secret`"]).await;
        // Nobody listens there.
        let nobody = "environment = \"sandbox\"\n  max_retries = 0\n  endpoints = { login = \"http://127.0.0.1:9\", graph = \"http://127.0.0.1:9\" }";
        refused(&workspace, &tenant, &block(nobody), &["could not be reached", "Check `endpoints`"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_profile_file_is_refused_with_its_name_and_line() {
    every_cli(async |workspace, tenant| {
        let folder = workspace.folder().join("profiles");
        std::fs::create_dir(&folder).unwrap();
        let head = "version = 1\nvendor = \"v\"\ntitle = \"t\"\n";
        let permission = "[source]\ntitle = \"s\"\n[permissions.microsoft_graph]\napplication = [\"User.Raed.All\"]\n";
        std::fs::write(folder.join("a.toml"), format!("slug = \"a\"\n{head}colour = \"red\"\n{permission}")).unwrap();
        std::fs::write(folder.join("b.toml"), format!("slug = \"b\"\n{head}{permission}")).unwrap();
        std::fs::write(
            folder.join("c.toml"),
            format!("slug = \"securends-office365\"\n{head}{}", permission.replace("Raed", "Read")),
        )
        .unwrap();
        let block =
            format!("provider \"m365\" {{\n  environment = \"sandbox\"\n  catalog_paths = [\"profiles\"]\n}}\n{APP}");
        refused(
            &workspace,
            &tenant,
            &block,
            &[
                "a.toml",
                "line 5",
                "colour",
                "b.toml",
                "Did you mean User.Read.All",
                "c.toml",
                "\"securends-office365\" is defined already",
            ],
        )
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_another_application_has_is_known_while_planning() {
    every_cli(async |workspace, tenant| {
        let there = tenant.admin(Method::POST, "/applications", Some(json!({ "displayName": "By hand", "uniqueName": "taken" }))).await;
        let app = |name: &str, more: &str| format!("resource \"m365_connector_app\" \"{name}\" {{\n  display_name = \"x\"\n  unique_name = \"taken\"\n  {more}\n}}\n");
        refused(&workspace, &tenant, &format!("{BLOCK}{}", app("x", "")), &["Another application already has the unique name \"taken\"", there["id"].as_str().unwrap(), "on_existing"]).await;
        refused(&workspace, &tenant, &format!("{BLOCK}{}{}", app("x", "on_existing = \"adopt\""), app("y", "on_existing = \"adopt\"")), &["Two applications of this configuration have the unique name \"taken\""]).await;
        workspace.write(&format!("{HEAD}{BLOCK}{}", app("x", "on_existing = \"adopt\""))).unwrap();
        let (_, _, output) = workspace.plan(&[]).await.unwrap();
        assert!(flat(&output).contains("The existing application \"By hand\" will be taken over"), "{output}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_of_the_wrong_kind_are_named_as_what_they_are() {
    every_cli(async |workspace, tenant| {
        workspace.write(&format!("{HEAD}{BLOCK}{APP}")).unwrap();
        workspace.apply(&[]).await.unwrap();
        let app = tenant.applications().await.remove(0);
        let (id, client) = (app["id"].as_str().unwrap(), app["appId"].as_str().unwrap());
        let principal = tenant.principal_of(client).await.unwrap()["id"].as_str().unwrap().to_owned();
        let set = |id: &str| format!("{BLOCK}{APP}resource \"m365_connector_permission_set\" \"x\" {{\n  application_id = \"{id}\"\n  apis = {{ microsoft_graph = {{ application = [\"User.Read.All\"] }} }}\n}}\n");
        refused(&workspace, &tenant, &set(client), &["is the client id of \"x\"; its object id is", id]).await;
        refused(&workspace, &tenant, &set(&principal), &["is the service principal of \"x\"", id]).await;
        refused(&workspace, &tenant, &set("11111111-2222-3333-4444-555555555555"), &["There is no application with the object id"]).await;
        let consent = |id: &str| format!("{BLOCK}{APP}resource \"m365_admin_consent\" \"x\" {{\n  service_principal_id = \"{id}\"\n  permissions = []\n}}\n");
        refused(&workspace, &tenant, &consent(client), &["is the client id of \"x\"; its service principal has the object id", &principal]).await;
        refused(&workspace, &tenant, &consent(id), &["is the application \"x\"; its service principal has the object id", &principal]).await;
    })
    .await;
}

/// A provider block of an identity with just these roles. What Graph says of a missing one shows only where no plan says it before.
pub async fn with_roles(tenant: &Tenant, roles: Value) -> String {
    let path = format!("tenants/{}/callers", tenant.connection().tenant_id);
    let (status, made) = tenant.control(Method::POST, &path, Some(json!({ "roles": roles }))).await;
    assert_eq!(status, 201, "{made}");
    format!(
        "provider \"m365\" {{\n  environment = \"sandbox\"\n  client_id = {}\n  client_secret = {}\n  preflight = \"off\"\n}}\n",
        made["client_id"], made["client_secret"]
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_the_identity_lacks_is_named() {
    every_cli(async |workspace, tenant| {
        let connector = format!("{APP}resource \"m365_connector_permission_set\" \"x\" {{\n  application_id = m365_connector_app.x.id\n  apis = {{ microsoft_graph = {{ application = [\"User.Read.All\"], delegated = [\"User.Read\"] }} }}\n}}\nresource \"m365_admin_consent\" \"x\" {{\n  service_principal_id = m365_connector_app.x.service_principal_id\n  permissions = m365_connector_permission_set.x.permissions\n}}\n");
        let refusal = async |roles: Value| {
            let block = with_roles(&tenant, roles).await;
            workspace.write(&format!("{HEAD}{block}{connector}")).unwrap();
            let failed = workspace.run(&["apply", "-no-color", "-auto-approve", "-input=false"]).await.unwrap();
            flat(&failed.expect(1).unwrap())
        };
        let output = refusal(json!(["Application.Read.All"])).await;
        assert!(output.contains("403 Authorization_RequestDenied") && output.contains("Application.ReadWrite.OwnedBy"), "{output}");
        let output = refusal(json!(["Application.ReadWrite.OwnedBy", "Application.Read.All", "Directory.Read.All"])).await;
        assert!(output.contains("AppRoleAssignment.ReadWrite.All") && output.contains("Request id"), "{output}");
        let all = json!(["Application.ReadWrite.OwnedBy", "Application.Read.All", "Directory.Read.All", "AppRoleAssignment.ReadWrite.All"]);
        let output = refusal(all).await;
        assert!(output.contains("DelegatedPermissionGrant.ReadWrite.All"), "{output}");
        // What was made before the refusal is in the state: with the missing role the same run goes on.
        let block = with_roles(&tenant, json!(["Application.ReadWrite.All", "Application.Read.All", "Directory.Read.All", "AppRoleAssignment.ReadWrite.All", "DelegatedPermissionGrant.ReadWrite.All"])).await;
        workspace.write(&format!("{HEAD}{block}{connector}")).unwrap();
        workspace.apply(&[]).await.unwrap();
        crate::workspace::assert_no_change(&workspace).await;
        assert_eq!(tenant.applications().await.iter().filter(|app| app["displayName"] == "x").count(), 1);
    })
    .await;
}
