//! The data sources, through a real CLI, against what the tenant and the catalogue hold.

use crate::tenant::Tenant;
use crate::workspace::{BLOCK, HEAD, every_cli, failed_plan, read};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn profiles_tell_what_is_documented_and_what_is_wrong_with_it() {
    every_cli(async |workspace, _| {
        let values = read(
            &workspace,
            r#"
data "m365_connector_profiles" "all" {}
data "m365_connector_profile" "x" {
  profile  = "threatdefence-graph@1"
  features = ["intune"]
}
"#,
        )
        .await;
        let all = values["data.m365_connector_profiles.all"]["profiles"].as_object().unwrap();
        assert!(all.len() > 60, "only {} profiles", all.len());
        assert_eq!(
            all["defense-com-users"],
            json!({ "title": "Microsoft 365 integration, Users module", "vendor": "Defense.com", "version": 1 })
        );
        let x = &values["data.m365_connector_profile.x"];
        assert_eq!(
            (&x["slug"], &x["version"], &x["vendor"]),
            (&json!("threatdefence-graph"), &json!(1), &json!("ThreatDefence"))
        );
        assert_eq!(
            (x["permissions"].as_array().unwrap().len(), x["permission_ids"].as_object().unwrap().len()),
            (16, 16)
        );
        assert_eq!(
            x["permission_ids"]["microsoft_graph/application/DeviceManagementApps.Read.All"],
            "7a6ee1e7-141e-4cec-ae74-d9db155731ff"
        );
        assert_eq!(x["features_available"].as_object().unwrap().len(), 3);
        assert_eq!(x["outputs"], json!(["tenant_id", "client_id", "client_secret"]));
        let discrepancies = x["discrepancies"].as_array().unwrap();
        assert!(discrepancies.iter().any(|one| one["text"].as_str().unwrap().contains("deviceAppManagement")
            && one["resolution"].as_str().unwrap().contains("DeviceManagementApps.Read.All")));
        let intune = &x["prerequisites"]["Intune"];
        assert_eq!(
            (&intune["kind"], &intune["any_of"]),
            (&json!("licence"), &json!(["c1ec4a95-1f05-45b3-a911-aa3fa01094f5"]))
        );
        assert_eq!(intune["needed_by"].as_array().unwrap().len(), 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_permissions_of_an_api_from_the_catalogue_and_from_the_tenant() {
    every_cli(async |workspace, tenant| {
        let values = read(
            &workspace,
            r#"
data "m365_api_permissions" "catalogue" {
  api = "windows_defender_atp"
}
data "m365_api_permissions" "live" {
  api  = "windows_defender_atp"
  live = true
}
data "m365_api_permissions" "twice" {
  api = "office_365_exchange_online"
}
"#,
        )
        .await;
        let (catalogue, live) = (&values["data.m365_api_permissions.catalogue"], &values["data.m365_api_permissions.live"]);
        assert_eq!(catalogue["app_id"], "fc780465-2017-40d4-a0c5-307022471b92");
        assert_eq!(catalogue["application"]["User.Read.All"], "a833834a-4cf1-4732-8acf-bbcfa13fb610");
        assert_eq!((&catalogue["application"], &catalogue["delegated"]), (&live["application"], &live["delegated"]));
        assert_eq!(live["tenant_id"], tenant.connection().tenant_id.as_str());
        let delegated = values["data.m365_api_permissions.twice"]["delegated"].as_object().unwrap();
        assert!(!delegated.contains_key("User.ReadBasic.All"), "a name with two ids is keyed by each");
        assert_eq!(delegated.iter().filter(|(name, id)| id.as_str() == Some(name)).count(), 2);

        let refused = async |block: &str, expected: &str| {
            workspace.write(&format!("{HEAD}{BLOCK}{block}")).unwrap();
            let output = failed_plan(&workspace, &tenant).await;
            assert!(output.contains(expected), "{expected} is not in:\n{output}");
        };
        refused("data \"m365_api_permissions\" \"x\" {\n  api = \"microsoft_grap\"\n}\n", "Did you mean microsoft_graph?").await;
        refused("data \"m365_api_permissions\" \"x\" {\n  api = \"99999999-0000-4000-8000-000000000001\"\n  live = true\n}\n", "The tenant has no service principal of the API").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tenant_and_the_run_s_own_identity() {
    every_cli(async |workspace, tenant| {
        let values = read(&workspace, "data \"m365_tenant\" \"x\" {}\ndata \"m365_client_config\" \"x\" {}\n").await;
        let organization = &values["data.m365_tenant.x"];
        assert_eq!(organization["tenant_id"], tenant.connection().tenant_id.as_str());
        assert_eq!(
            (&organization["display_name"], &organization["default_domain"], &organization["country_letter_code"]),
            (&json!("contoso"), &json!("contoso.onmicrosoft.com"), &json!("CH"))
        );
        assert_eq!(organization["domains"], json!(["contoso.onmicrosoft.com"]));
        let me = &values["data.m365_client_config.x"];
        assert_eq!(
            (&me["client_id"], &me["tenant_id"]),
            (&json!(tenant.connection().client_id), &json!(tenant.connection().tenant_id))
        );
        let principal = tenant.principal_of(&tenant.connection().client_id).await.unwrap();
        assert_eq!(me["object_id"], principal["id"]);
        assert!(me["roles"].as_array().unwrap().contains(&json!("Application.ReadWrite.All")), "{me}");
    })
    .await;
}

/// An application with a secret, one more on its principal, a certificate and a federated credential.
async fn with_credentials(tenant: &Tenant) -> (Value, Value) {
    let app = tenant
        .admin(
            Method::POST,
            "/applications",
            Some(json!({ "displayName": "Theirs", "uniqueName": "theirs", "notes": "n" })),
        )
        .await;
    let principal = tenant.admin(Method::POST, "/servicePrincipals", Some(json!({ "appId": app["appId"] }))).await;
    let path = format!("/applications/{}", app["id"].as_str().unwrap());
    let secret = json!({ "passwordCredential": { "displayName": "first", "endDateTime": "2030-01-01T00:00:00Z" } });
    tenant.admin(Method::POST, &format!("{path}/addPassword"), Some(secret)).await;
    tenant
        .admin(
            Method::POST,
            &format!("/servicePrincipals/{}/addPassword", principal["id"].as_str().unwrap()),
            Some(json!({})),
        )
        .await;
    let certificate = json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": crate::pem::certificate("cert").base64, "displayName": "cert" });
    tenant.admin(Method::PATCH, &path, Some(json!({ "keyCredentials": [certificate] }))).await;
    let federated = json!({ "name": "github", "issuer": "https://i.example", "subject": "s", "audiences": ["api://AzureADTokenExchange"] });
    tenant.admin(Method::POST, &format!("{path}/federatedIdentityCredentials"), Some(federated)).await;
    (app, principal)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_something_else_made_with_everything_that_can_sign_in_as_it() {
    every_cli(async |workspace, tenant| {
        let (app, principal) = with_credentials(&tenant).await;
        let values = read(
            &workspace,
            &format!(
                "data \"m365_connector_app\" \"by_client\" {{\n  client_id = {}\n}}\ndata \"m365_connector_app\" \"by_key\" {{\n  unique_name = \"theirs\"\n}}\ndata \"m365_connector_app\" \"by_name\" {{\n  display_name = \"Theirs\"\n}}\n",
                app["appId"]
            ),
        )
        .await;
        for way in ["by_client", "by_key", "by_name"] {
            let found = &values[&format!("data.m365_connector_app.{way}")];
            assert_eq!((&found["id"], &found["client_id"], &found["service_principal_id"]), (&app["id"], &app["appId"], &principal["id"]), "{way}");
            assert_eq!((&found["notes"], &found["owner_tenant_id"], &found["unique_name"]), (&json!("n"), &Value::Null, &json!("theirs")));
            let credentials: Vec<_> = found["credentials"].as_object().unwrap().values().collect();
            let of = |kind: &str, on: &str| credentials.iter().filter(|one| one["kind"] == kind && one["on"] == on).count();
            assert_eq!((of("secret", "application"), of("secret", "service_principal"), of("certificate", "application"), of("federated", "application")), (1, 1, 1, 1));
            assert!(credentials.iter().any(|one| one["name"] == "first" && one["end_date_time"] == "2030-01-01T00:00:00Z"));
        }
        let second = tenant.admin(Method::POST, "/applications", Some(json!({ "displayName": "Theirs" }))).await;
        let refused = async |block: &str, expected: &[&str]| {
            workspace.write(&format!("{HEAD}{BLOCK}data \"m365_connector_app\" \"x\" {{\n{block}\n}}\n")).unwrap();
            let output = failed_plan(&workspace, &tenant).await;
            for text in expected {
                assert!(output.contains(text), "{text} is not in:\n{output}");
            }
        };
        refused("  display_name = \"Theirs\"", &["2 applications are called \"Theirs\"", app["appId"].as_str().unwrap(), second["appId"].as_str().unwrap()]).await;
        refused("  unique_name = \"nobody\"", &["No application has the `unique_name` \"nobody\""]).await;
        refused("  unique_name = \"a\"\n  display_name = \"b\"", &["One of `client_id`, `unique_name` and `display_name`", "2 of them are given"]).await;
        refused("", &["0 of them are given"]).await;
    })
    .await;
}
