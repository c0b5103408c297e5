//! The life of MD.ECO's connector through every real CLI on this machine.

use crate::tenant::Tenant;
use crate::workspace::{BLOCK, HEAD, assert_no_change, change, every_cli, failed_plan, flat, texts};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
const DEFENDER: &str = "fc780465-2017-40d4-a0c5-307022471b92";
/// Graph's `Mail.Read`, which nobody declares.
const MAIL_READ: &str = "810c84a8-4a9e-49e6-bf7d-12d183f40d01";
const USER_READ_ALL: &str = "df021288-bdef-4463-88db-98f22de89214";

/// The document's permissions by API. Source: `../catalog/profiles/md-eco-m365-defender.toml` names the document.
const DOCUMENTED: &[(&str, &[&str])] = &[
    (GRAPH, &[USER_READ_ALL, "34bf0e97-1971-4929-b999-9e2442d941d7"]),
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
];
/// What the feature `remediation` adds.
const REMEDIATION: [&str; 3] = [
    "741f803b-c850-494e-b5df-cde7c675a1ca",
    "7e4e1300-e1b9-4102-88ba-f0cb6e6d5974",
    "a86d9824-b2b6-45f8-b042-16bc4922ed4e",
];

fn documented() -> BTreeSet<String> {
    DOCUMENTED.iter().flat_map(|(_, ids)| ids.iter().map(|id| (*id).to_owned())).collect()
}

struct Options {
    app: &'static str,
    set: &'static str,
}

fn configuration(options: &Options) -> String {
    format!(
        r#"
terraform {{
  required_providers {{
    m365 = {{ source = "connectors/m365" }}
  }}
}}
provider "m365" {{
  environment = "sandbox"
}}
resource "m365_connector_app" "md_eco" {{
  profile = "md-eco-m365-defender"
  {}
}}
resource "m365_connector_permission_set" "md_eco" {{
  application_id = m365_connector_app.md_eco.id
  profile        = "md-eco-m365-defender"
  {}
}}
resource "m365_admin_consent" "md_eco" {{
  service_principal_id = m365_connector_app.md_eco.service_principal_id
  permissions          = m365_connector_permission_set.md_eco.permissions
}}
"#,
        options.app, options.set
    )
}

const PLAIN: Options = Options { app: "", set: "" };

/// Ids that the one connector application asks for.
async fn requested(tenant: &Tenant) -> BTreeSet<String> {
    let apps = tenant.applications().await;
    assert_eq!(apps.len(), 1, "{apps:?}");
    let mut ids = BTreeSet::new();
    for api in apps[0]["requiredResourceAccess"].as_array().unwrap() {
        let documented = DOCUMENTED.iter().any(|(app_id, _)| api["resourceAppId"] == *app_id);
        assert!(documented, "{api}");
        for access in api["resourceAccess"].as_array().unwrap() {
            assert_eq!(access["type"], "Role");
            ids.insert(access["id"].as_str().unwrap().to_owned());
        }
    }
    ids
}

async fn principal(tenant: &Tenant) -> String {
    let apps = tenant.applications().await;
    tenant.principal_of(apps[0]["appId"].as_str().unwrap()).await.unwrap()["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_makes_exactly_what_is_documented_once_and_destroy_takes_it_away() {
    every_cli(async |workspace, tenant| {
        workspace.write(&configuration(&PLAIN)).unwrap();
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        let app = tenant.applications().await.remove(0);
        assert_eq!(app["displayName"], "MD.ECO - Connector - M365 Defender");
        assert_eq!(
            (&app["signInAudience"], &app["uniqueName"]),
            (&json!("AzureADMyOrg"), &json!("md-eco-m365-defender"))
        );
        assert_eq!(requested(&tenant).await, documented());
        assert_eq!(tenant.granted(&principal(&tenant).await).await, documented());

        let microsofts = tenant
            .admin(
                Method::GET,
                "/servicePrincipals?$filter=appOwnerOrganizationId%20eq%20f8cdef31-a31e-4b4a-93e4-5f571e91255a",
                None,
            )
            .await;
        workspace.apply(&["-destroy"]).await.unwrap();
        assert!(tenant.applications().await.is_empty());
        assert!(tenant.principal_of(app["appId"].as_str().unwrap()).await.is_none());
        let deleted = tenant.admin(Method::GET, "/directory/deletedItems/microsoft.graph.application", None).await;
        assert_eq!(deleted["value"][0]["id"], app["id"]);
        let after = tenant
            .admin(
                Method::GET,
                "/servicePrincipals?$filter=appOwnerOrganizationId%20eq%20f8cdef31-a31e-4b4a-93e4-5f571e91255a",
                None,
            )
            .await;
        assert_eq!(microsofts, after);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permanent_destroy_leaves_not_even_deleted_items() {
    every_cli(async |workspace, tenant| {
        workspace.write(&configuration(&Options { app: r#"deletion = "permanent""#, set: "" })).unwrap();
        workspace.apply(&[]).await.unwrap();
        workspace.apply(&["-destroy"]).await.unwrap();
        for kind in ["application", "servicePrincipal"] {
            let deleted =
                tenant.admin(Method::GET, &format!("/directory/deletedItems/microsoft.graph.{kind}"), None).await;
            assert_eq!(deleted["value"], json!([]), "{kind}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_and_a_foreign_grant_show_by_name_and_are_repaired() {
    every_cli(async |workspace, tenant| {
        workspace.write(&configuration(&PLAIN)).unwrap();
        workspace.apply(&[]).await.unwrap();
        let principal = principal(&tenant).await;
        let (revoked, foreign) = ("microsoft_graph/application/User.Read.All", "microsoft_graph/application/Mail.Read");

        tenant.revoke(&principal, USER_READ_ALL).await;
        let (code, plan, output) = workspace.plan(&[]).await.unwrap();
        assert_eq!(code, 2, "{output}");
        let consent = change(&plan, "m365_admin_consent.md_eco");
        assert_eq!(consent["actions"], json!(["update"]));
        assert!(
            !texts(&consent["before"]["permissions"]).contains(revoked)
                && texts(&consent["after"]["permissions"]).contains(revoked)
        );
        assert_eq!(consent["before"]["status"][revoked], "missing");
        assert_eq!(consent["after"]["status"][revoked], "granted");
        tenant.forget_requests().await;
        workspace.apply(&[]).await.unwrap();
        assert_eq!(tenant.writes().await.len(), 1, "repairing one grant is one write: {:?}", tenant.writes().await);
        assert_eq!(tenant.granted(&principal).await, documented());
        assert_no_change(&workspace).await;

        tenant.grant(&principal, MAIL_READ).await;
        let (code, plan, output) = workspace.plan(&[]).await.unwrap();
        assert_eq!(code, 2, "{output}");
        let consent = change(&plan, "m365_admin_consent.md_eco");
        assert!(
            texts(&consent["before"]["permissions"]).contains(foreign)
                && !texts(&consent["after"]["permissions"]).contains(foreign)
        );
        assert_eq!(consent["before"]["status"][foreign], "excess");
        assert!(consent["after"]["status"].get(foreign).is_none());
        tenant.forget_requests().await;
        workspace.apply(&[]).await.unwrap();
        assert_eq!(tenant.writes().await.len(), 1, "{:?}", tenant.writes().await);
        assert_eq!(tenant.granted(&principal).await, documented());
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feature_adds_exactly_its_permissions_and_takes_them_away_again() {
    every_cli(async |workspace, tenant| {
        workspace.write(&configuration(&PLAIN)).unwrap();
        workspace.apply(&[]).await.unwrap();
        workspace.write(&configuration(&Options { app: "", set: r#"features = ["remediation"]"# })).unwrap();
        let (code, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!(code, 2);
        for address in ["m365_connector_permission_set.md_eco", "m365_admin_consent.md_eco"] {
            let change = change(&plan, address);
            let (before, after) = (texts(&change["before"]["permissions"]), texts(&change["after"]["permissions"]));
            let added: Vec<_> = after.difference(&before).cloned().collect();
            assert_eq!(
                added,
                [
                    "microsoft_graph/application/User.ReadWrite.All",
                    "windows_defender_atp/application/Machine.Isolate",
                    "windows_defender_atp/application/Machine.Scan"
                ]
            );
            assert!(before.is_subset(&after));
        }
        workspace.apply(&[]).await.unwrap();
        let with: BTreeSet<String> = documented().into_iter().chain(REMEDIATION.map(str::to_owned)).collect();
        assert_eq!(requested(&tenant).await, with);
        assert_eq!(tenant.granted(&principal(&tenant).await).await, with);
        assert_no_change(&workspace).await;
        workspace.write(&configuration(&PLAIN)).unwrap();
        workspace.apply(&[]).await.unwrap();
        assert_eq!(requested(&tenant).await, documented());
        assert_eq!(tenant.granted(&principal(&tenant).await).await, documented());
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_on_the_application_shows_and_is_repaired() {
    every_cli(async |workspace, tenant| {
        workspace.write(&configuration(&PLAIN)).unwrap();
        workspace.apply(&[]).await.unwrap();
        let app = tenant.applications().await.remove(0);
        let path = format!("/applications/{}", app["id"].as_str().unwrap());
        // An application that asks for nothing is what a replica would show that lags.
        tenant.later().await;
        let planted = json!({ "displayName": "Renamed", "web": { "redirectUris": ["https://attacker.example/"] }, "requiredResourceAccess": [] });
        tenant.admin(Method::PATCH, &path, Some(planted)).await;
        let disabled = format!("/servicePrincipals/{}", principal(&tenant).await);
        tenant.admin(Method::PATCH, &disabled, Some(json!({ "accountEnabled": false }))).await;
        let (code, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!(code, 2);
        let before = &change(&plan, "m365_connector_app.md_eco")["before"];
        assert_eq!((&before["display_name"], &before["web_redirect_uris"], &before["account_enabled"]), (&json!("Renamed"), &json!(["https://attacker.example/"]), &json!(false)));
        assert_eq!(change(&plan, "m365_connector_permission_set.md_eco")["before"]["permissions"], json!([]));
        workspace.apply(&[]).await.unwrap();
        let repaired = tenant.applications().await.remove(0);
        assert_eq!((&repaired["displayName"], &repaired["web"]["redirectUris"]), (&json!("MD.ECO - Connector - M365 Defender"), &json!([])));
        assert_eq!(requested(&tenant).await, documented());
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_connector_needs_no_write_and_then_no_change() {
    every_cli(async |workspace, tenant| {
        workspace.write(&configuration(&PLAIN)).unwrap();
        workspace.apply(&[]).await.unwrap();
        let app = tenant.applications().await.remove(0);
        let (id, client_id, principal) =
            (app["id"].as_str().unwrap(), app["appId"].as_str().unwrap(), principal(&tenant).await);
        let ids = [
            ("m365_connector_app.md_eco", id),
            ("m365_connector_app.md_eco", client_id),
            ("m365_connector_app.md_eco", "md-eco-m365-defender"),
        ];
        for (address, named) in ids {
            workspace.run(&["state", "rm", address]).await.unwrap().expect(0).unwrap();
            workspace.run(&["import", "-no-color", address, named]).await.unwrap().expect(0).unwrap();
        }
        for (address, named) in
            [("m365_connector_permission_set.md_eco", id), ("m365_admin_consent.md_eco", principal.as_str())]
        {
            workspace.run(&["state", "rm", address]).await.unwrap().expect(0).unwrap();
            workspace
                .run(&["import", "-no-color", address, &format!("{}/{named}", tenant.connection().tenant_id)])
                .await
                .unwrap()
                .expect(0)
                .unwrap();
        }
        tenant.forget_requests().await;
        workspace.apply(&[]).await.unwrap();
        assert_eq!(tenant.writes().await, Vec::<String>::new());
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelled_permission_fails_at_its_path_before_anything_is_written() {
    every_cli(async |workspace, tenant| {
        let text = configuration(&PLAIN).replace(
            "profile        = \"md-eco-m365-defender\"",
            "apis = {\n  windows_defender_atp = { application = [\"Machine.Raed.All\"] }\n  microsoft_graph = { application = [\"Directory.AccessAsUser.All\"] }\n  }",
        );
        workspace.write(&text).unwrap();
        let planned = workspace.run(&["plan", "-no-color", "-input=false"]).await.unwrap();
        let output = planned.expect(1).unwrap().split_whitespace().collect::<Vec<_>>().join(" ").replace("│ ", "");
        for expected in ["windows_defender_atp has no application permission \"Machine.Raed.All\"", "Did you mean Machine.Read.All", "has a delegated permission of that name", "line"] {
            assert!(output.contains(expected), "{expected} is not in:\n{output}");
        }
        // A tenant may know what the catalogue does not: without one nothing is said.
        workspace.run(&["validate", "-no-color"]).await.unwrap().expect(0).unwrap();
        let json = workspace.run(&["plan", "-json", "-input=false"]).await.unwrap().output;
        let lines = json.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let found: Vec<Value> = lines.filter(|line| line["@level"] == "error").map(|line| line["diagnostic"].clone()).collect();
        let snippets: Vec<_> = found.iter().map(|one| one["snippet"]["code"].as_str().unwrap_or_default().to_owned()).collect();
        assert!(snippets.iter().any(|code| code.contains("Machine.Raed.All")) && snippets.iter().any(|code| code.contains("Directory.AccessAsUser.All")), "{json}");
        assert_eq!(tenant.writes().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_explained_and_is_not_shown() {
    every_cli(async |workspace, tenant| {
        workspace
            .write(
                &configuration(&PLAIN).replace(
                    "environment = \"sandbox\"",
                    "environment = \"sandbox\"\n  client_secret = \"not-this-one\"",
                ),
            )
            .unwrap();
        let failed = workspace.run(&["apply", "-no-color", "-auto-approve", "-input=false"]).await.unwrap();
        let output = flat(&failed.expect(1).unwrap());
        assert!(output.contains("AADSTS7000215") && output.contains("not its id"), "{output}");
        assert!(!output.contains("not-this-one"), "{output}");
        assert!(tenant.applications().await.is_empty());
    })
    .await;
}

fn plain(body: &str) -> String {
    format!("{HEAD}{BLOCK}resource \"m365_connector_app\" \"x\" {{\n  display_name = \"x\"\n  {body}\n}}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audience_with_personal_accounts_is_asked_for_with_the_tokens_that_it_needs() {
    every_cli(async |workspace, tenant| {
        let version = async || tenant.applications().await.remove(0)["api"]["requestedAccessTokenVersion"].clone();
        for audience in ["AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount"] {
            // From the start, and later.
            workspace.write(&plain(&format!("deletion = \"permanent\"\n  sign_in_audience = \"{audience}\""))).unwrap();
            workspace.apply(&[]).await.unwrap();
            assert_eq!(version().await, 2, "{audience}");
            assert_no_change(&workspace).await;
            workspace.apply(&["-destroy"]).await.unwrap();
            workspace.write(&plain("deletion = \"permanent\"")).unwrap();
            workspace.apply(&[]).await.unwrap();
            assert_ne!(version().await, 2, "nobody asked for it");
            workspace.write(&plain(&format!("deletion = \"permanent\"\n  sign_in_audience = \"{audience}\""))).unwrap();
            workspace.apply(&[]).await.unwrap();
            assert_eq!(version().await, 2, "{audience}");
            assert_no_change(&workspace).await;
            workspace.write(&plain("deletion = \"permanent\"")).unwrap();
            workspace.apply(&[]).await.unwrap();
            assert_no_change(&workspace).await;
            workspace.apply(&["-destroy"]).await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_application_holds_already_may_be_declared_and_not_be_added() {
    every_cli(async |workspace, tenant| {
        let long = "x".repeat(1025);
        let held = format!("web_redirect_uris = [\"https://vendor.example/a/../b\"]\n  description = \"{long}\"");
        workspace.write(&plain(&held)).unwrap();
        let output = failed_plan(&workspace, &tenant).await;
        assert!(
            output.contains("It is not written as it is read") && output.contains("The description is too long"),
            "{output}"
        );
        let validated = workspace.run(&["validate", "-no-color"]).await.unwrap();
        assert_eq!(validated.code, 0, "what is there already is known while planning: {}", validated.output);

        workspace.write(&plain("")).unwrap();
        workspace.apply(&[]).await.unwrap();
        let path = format!("/applications/{}", tenant.applications().await.remove(0)["id"].as_str().unwrap());
        tenant.later().await;
        let by_hand = json!({ "description": long, "web": { "redirectUris": ["https://vendor.example/a/../b"] } });
        tenant.admin(Method::PATCH, &path, Some(by_hand)).await;
        workspace.write(&plain(&held)).unwrap();
        let (code, _, output) = workspace.plan(&[]).await.unwrap();
        assert_eq!(code, 0, "{output}");
        assert!(flat(&output).contains("which could not be added today"), "{output}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_id_as_an_owner_is_named_as_that() {
    every_cli(async |workspace, tenant| {
        let other = tenant.admin(Method::POST, "/applications", Some(json!({ "displayName": "runner" }))).await;
        let principal =
            tenant.admin(Method::POST, "/servicePrincipals", Some(json!({ "appId": other["appId"] }))).await;
        for named in [&other["appId"], &other["id"]] {
            workspace.write(&plain(&format!("owners = [{named}]"))).unwrap();
            let failed = workspace.run(&["apply", "-no-color", "-auto-approve", "-input=false"]).await.unwrap();
            let output = flat(&failed.expect(1).unwrap());
            let said = if *named == other["appId"] {
                "is the client id of \"runner\""
            } else {
                "is the application \"runner\""
            };
            assert!(output.contains(said) && output.contains(principal["id"].as_str().unwrap()), "{output}");
        }
    })
    .await;
}

/// Longer than an operation may take, and longer than anybody is to be believed for.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_no_replica_shows_stands_is_not_undone_and_is_drift_when_the_window_is_over() {
    every_cli(async |workspace, tenant| {
        let user = json!({ "displayName": "u", "userPrincipalName": "u@contoso.com" });
        let user = tenant.admin(Method::POST, "/users", Some(user)).await["id"].as_str().unwrap().to_owned();
        let app = |body: &str| plain(&format!("timeouts = {{ read = \"1s\" }}\n  {body}"));
        workspace.write(&app("tags = [\"one\"]")).unwrap();
        workspace.apply(&[]).await.unwrap();
        tenant.later().await;
        tenant.control(Method::POST, "lag", Some(json!({ "seconds": 3600, "replicas": ["stale"] }))).await;
        workspace
            .write(&app(&format!("tags = [\"two\"]\n  account_enabled = false\n  owners = [\"{user}\"]")))
            .unwrap();
        workspace.apply(&[]).await.unwrap();
        let (code, _, output) = workspace.plan(&[]).await.unwrap();
        assert_eq!(code, 0, "{output}");
        let output = flat(&output);
        assert!(
            output.contains("The tenant does not show the last change of the application everywhere yet"),
            "{output}"
        );
        for entry in ["property:tags", "principal:account_enabled", &format!("owner:{user}")] {
            assert!(output.contains(entry), "{entry}: {output}");
        }
        // The next change is merged with what was written, not with what a replica shows.
        tenant.forget_requests().await;
        workspace
            .write(&app(&format!(
                "tags = [\"two\"]\n  account_enabled = false\n  owners = [\"{user}\"]\n  notes = \"x\""
            )))
            .unwrap();
        workspace.apply(&[]).await.unwrap();
        assert_eq!(tenant.writes().await.len(), 1, "{:?}", tenant.writes().await);
        let now = tenant.applications().await.remove(0);
        assert_eq!(
            (&now["notes"], now["tags"].as_array().unwrap().contains(&json!("two"))),
            (&json!("x"), true),
            "{now}"
        );
        tenant.control(Method::POST, "clock", Some(json!({ "advance": "PT3M" }))).await;
        let (code, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!((code, &change(&plan, "m365_connector_app.x")["before"]["tags"]), (2, &json!(["one"])));
    })
    .await;
}
