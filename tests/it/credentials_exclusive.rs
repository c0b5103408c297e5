//! The guard over everything that can sign in as a connector: whatever nobody declared shows by id, and goes.

use crate::pem;
use crate::tenant::{Tenant, list};
use crate::workspace::{BLOCK, HEAD, Workspace, assert_no_change, change, every_cli, failed_plan, flat, texts};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const GUARD: &str = "m365_connector_credentials_exclusive.x";

fn base() -> String {
    format!(
        r#"{HEAD}{BLOCK}
resource "m365_connector_app" "x" {{
  display_name = "x"
}}
resource "m365_connector_certificate" "x" {{
  application_id = m365_connector_app.x.id
  certificate    = file("a.pem")
}}
resource "m365_connector_federated_credential" "x" {{
  application_id = m365_connector_app.x.id
  name           = "github"
  issuer         = "https://token.actions.githubusercontent.com"
  subject        = "repo:octo/app:environment:production"
}}
"#
    )
}

fn guarded(key_ids: &str, more: &str) -> String {
    format!(
        r#"{}
resource "m365_connector_credentials_exclusive" "x" {{
  application_id             = m365_connector_app.x.id
  key_ids                    = {key_ids}
  federated_credential_names = [m365_connector_federated_credential.x.name]
}}
{more}
"#,
        base()
    )
}

const DECLARED: &str = "[m365_connector_certificate.x.key_id]";

fn save(workspace: &Workspace, file: &str, text: &str) {
    std::fs::write(workspace.folder().join(file), text).unwrap();
}

async fn applied(workspace: &Workspace) {
    save(workspace, "a.pem", &pem::certificate("collector").certificate);
    workspace.write(&guarded(DECLARED, "")).unwrap();
    workspace.apply(&[]).await.unwrap();
    assert_no_change(workspace).await;
}

/// An application and its principal, by path.
async fn paths(tenant: &Tenant) -> [String; 2] {
    let app = tenant.applications().await.remove(0);
    let principal = tenant.principal_of(app["appId"].as_str().unwrap()).await.unwrap();
    [
        format!("/applications/{}", app["id"].as_str().unwrap()),
        format!("/servicePrincipals/{}", principal["id"].as_str().unwrap()),
    ]
}

async fn password(tenant: &Tenant, holder: &str, name: &str) -> String {
    let body = json!({ "passwordCredential": { "displayName": name, "endDateTime": "2099-01-01T00:00:00Z" } });
    tenant.admin(Method::POST, &format!("{holder}/addPassword"), Some(body)).await["keyId"].as_str().unwrap().to_owned()
}

async fn certificate(tenant: &Tenant, holder: &str, name: &str) -> String {
    let now = tenant.admin(Method::GET, &format!("{holder}?$select=keyCredentials"), None).await;
    let mut all = now["keyCredentials"].as_array().cloned().unwrap_or_default();
    all.push(json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": pem::certificate(name).base64, "displayName": name }));
    tenant.admin(Method::PATCH, holder, Some(json!({ "keyCredentials": all }))).await;
    let now = tenant.admin(Method::GET, &format!("{holder}?$select=keyCredentials"), None).await;
    now["keyCredentials"].as_array().unwrap().last().unwrap()["keyId"].as_str().unwrap().to_owned()
}

async fn federated(tenant: &Tenant, app: &str, name: &str) {
    let body = json!({ "name": name, "issuer": "https://evil.example", "subject": name, "audiences": ["api://AzureADTokenExchange"] });
    tenant.admin(Method::POST, &format!("{app}/federatedIdentityCredentials"), Some(body)).await;
}

/// Ids of all secrets and certificates, and names of all federated credentials.
async fn present(tenant: &Tenant) -> (BTreeSet<String>, BTreeSet<String>) {
    let holders = paths(tenant).await;
    let mut ids = BTreeSet::new();
    for holder in &holders {
        let found = tenant.admin(Method::GET, holder, None).await;
        for property in ["passwordCredentials", "keyCredentials"] {
            let all = found[property].as_array().cloned().unwrap_or_default();
            ids.extend(all.iter().map(|one| one["keyId"].as_str().unwrap().to_owned()));
        }
    }
    let names = list(&tenant.admin(Method::GET, &format!("{}/federatedIdentityCredentials", holders[0]), None).await);
    (ids, names.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect())
}

fn removed(change: &Value, attribute: &str) -> BTreeSet<String> {
    let after = change["after"][attribute].as_array().cloned().unwrap_or_default();
    let after: BTreeSet<_> = after.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    &texts(&change["before"][attribute]) - &after
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_planted_shows_by_id_and_just_that_is_removed() {
    every_cli(async |workspace, tenant| {
        applied(&workspace).await;
        let ours = present(&tenant).await;
        let [app, principal] = paths(&tenant).await;
        let planted = BTreeSet::from([
            password(&tenant, &app, "backup").await,
            password(&tenant, &principal, "hidden").await,
            certificate(&tenant, &app, "planted").await,
            certificate(&tenant, &principal, "concealed").await,
        ]);
        federated(&tenant, &app, "evil").await;
        let (code, plan, output) = workspace.plan(&[]).await.unwrap();
        let seen = change(&plan, GUARD);
        assert_eq!((code, &seen["actions"]), (2, &json!(["update"])), "{output}");
        assert_eq!(removed(seen, "key_ids"), planted);
        assert_eq!(removed(seen, "federated_credential_names"), BTreeSet::from(["evil".to_owned()]));
        for id in &planted {
            assert!(output.contains(&format!("- \"{id}\"")), "{output}");
        }
        let output = flat(&output);
        for text in [
            "secret \"backup\" on the application, valid until 2099-01-01",
            "secret \"hidden\" on the service principal",
            "certificate \"planted\" on the application",
            "certificate \"concealed\" on the service principal",
            "federated credential \"evil\"",
        ] {
            assert!(output.contains(text), "{text} is not in:\n{output}");
        }
        // What appears between plan and apply is not what the plan showed.
        let late = password(&tenant, &principal, "late").await;
        let output =
            flat(&workspace.run(&["apply", "-no-color", "-input=false", "plan.out"]).await.unwrap().expect(0).unwrap());
        assert!(output.contains("appeared since the plan") && output.contains(&late), "{output}");
        assert_eq!(present(&tenant).await, (&ours.0 | &BTreeSet::from([late]), ours.1.clone()));
        workspace.apply(&[]).await.unwrap();
        assert_eq!(present(&tenant).await, ours);
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_planted_shows_also_where_a_declared_id_is_not_known_yet() {
    every_cli(async |workspace, tenant| {
        applied(&workspace).await;
        let (ours, _) = present(&tenant).await;
        let [app, principal] = paths(&tenant).await;
        let planted = BTreeSet::from([password(&tenant, &app, "a").await, password(&tenant, &principal, "b").await]);
        save(&workspace, "b.pem", &pem::certificate("successor").certificate);
        let successor = "resource \"m365_connector_certificate\" \"y\" {\n  application_id = m365_connector_app.x.id\n  certificate = file(\"b.pem\")\n}\n";
        workspace.write(&guarded("[m365_connector_certificate.x.key_id, m365_connector_certificate.y.key_id]", successor)).unwrap();
        let (_, plan, output) = workspace.plan(&[]).await.unwrap();
        let seen = change(&plan, GUARD);
        assert_eq!(removed(seen, "key_ids"), planted, "{seen}");
        assert!(seen["after_unknown"]["key_ids"].as_array().is_some_and(|all| all.contains(&json!(true))), "{seen}");
        assert!(planted.iter().all(|id| output.contains(&format!("- \"{id}\""))), "{output}");
        assert!(flat(&output).contains("secret \"b\" on the service principal"), "{output}");
        assert!(ours.iter().all(|id| !output.contains(&format!("- \"{id}\""))), "{output}");
        workspace.apply(&[]).await.unwrap();
        let (now, _) = present(&tenant).await;
        assert!(now.len() == 2 && now.is_superset(&ours), "{now:?}");
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_refuses_what_nobody_declared_and_an_import_shows_it() {
    every_cli(async |workspace, tenant| {
        save(&workspace, "a.pem", &pem::certificate("collector").certificate);
        workspace.write(&base()).unwrap();
        workspace.apply(&[]).await.unwrap();
        let [app, principal] = paths(&tenant).await;
        let planted = password(&tenant, &principal, "hidden").await;
        let before = present(&tenant).await;
        workspace.write(&guarded(DECLARED, "")).unwrap();
        let output = failed_plan(&workspace, &tenant).await;
        assert!(output.contains("already has credentials that are not declared"), "{output}");
        assert!(output.contains(&planted) && output.contains("secret \"hidden\" on the service principal"), "{output}");
        // Planned in time, and planted before the apply: refused there, before anything is removed.
        let id = app.rsplit('/').next().unwrap().to_owned();
        let body = Some(json!({ "keyId": planted }));
        tenant.admin(Method::POST, &format!("{principal}/removePassword"), body).await;
        workspace.plan(&[]).await.unwrap();
        let planted = password(&tenant, &app, "late").await;
        let output =
            flat(&workspace.run(&["apply", "-no-color", "-input=false", "plan.out"]).await.unwrap().expect(1).unwrap());
        assert!(
            output.contains(&planted) && output.contains(&format!("import the guard with the id `{id}`")),
            "{output}"
        );
        assert_eq!(present(&tenant).await.0.len(), before.0.len());

        for prefix in [String::new(), format!("{}/", tenant.connection().tenant_id)] {
            workspace.run(&["state", "rm", GUARD]).await.ok();
            let named = format!("{prefix}{id}");
            workspace.run(&["import", "-no-color", "-input=false", GUARD, &named]).await.unwrap().expect(0).unwrap();
        }
        let (_, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!(removed(change(&plan, GUARD), "key_ids"), BTreeSet::from([planted]));
        workspace.apply(&[]).await.unwrap();
        assert_eq!(present(&tenant).await.0.len(), 1);
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn destroying_the_guard_removes_nothing_and_nothing_declared_means_none_at_all() {
    every_cli(async |workspace, tenant| {
        applied(&workspace).await;
        let before = present(&tenant).await;
        workspace.run(&["apply", "-auto-approve", "-destroy", "-target", GUARD]).await.unwrap().expect(0).unwrap();
        assert_eq!(present(&tenant).await, before);
        workspace.apply(&[]).await.unwrap();
        let bare = format!("{HEAD}{BLOCK}resource \"m365_connector_app\" \"x\" {{\n  display_name = \"x\"\n}}\nresource \"m365_connector_credentials_exclusive\" \"x\" {{\n  application_id = m365_connector_app.x.id\n}}\n");
        workspace.write(&bare).unwrap();
        workspace.apply(&[]).await.unwrap();
        assert_eq!(present(&tenant).await, (BTreeSet::new(), BTreeSet::new()));
        assert_no_change(&workspace).await;
        let [app, _] = paths(&tenant).await;
        federated(&tenant, &app, "evil").await;
        let (_, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!(change(&plan, GUARD)["before"]["federated_credential_names"], json!(["evil"]));
        workspace.apply(&[]).await.unwrap();
        assert_eq!(present(&tenant).await, (BTreeSet::new(), BTreeSet::new()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_credential_that_does_not_exist_is_said_once_and_is_no_drift() {
    every_cli(async |workspace, tenant| {
        applied(&workspace).await;
        let missing = "11111111-2222-3333-4444-555555555555";
        workspace.write(&guarded(&format!("[m365_connector_certificate.x.key_id, \"{missing}\"]"), "")).unwrap();
        let output = flat(&workspace.apply(&[]).await.unwrap());
        assert!(output.contains("declared that do not exist") && output.contains(missing), "{output}");
        assert_no_change(&workspace).await;
        // A declared one that existed and is removed by hand is the business of whoever made it.
        let [app, _] = paths(&tenant).await;
        tenant.later().await;
        tenant.admin(Method::PATCH, &app, Some(json!({ "keyCredentials": [] }))).await;
        let (_, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!(change(&plan, "m365_connector_certificate.x")["actions"], json!(["create"]));
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_planted_on_a_deleted_application_goes_once_it_is_restored() {
    every_cli(async |workspace, tenant| {
        applied(&workspace).await;
        let ours = present(&tenant).await;
        let [app, principal] = paths(&tenant).await;
        let planted = BTreeSet::from([password(&tenant, &app, "a").await, certificate(&tenant, &principal, "b").await]);
        tenant.admin(Method::DELETE, &app, None).await;
        let (_, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!(removed(change(&plan, GUARD), "key_ids"), planted);
        workspace.apply(&[]).await.unwrap();
        assert_eq!(present(&tenant).await, ours);
        assert_no_change(&workspace).await;
        // Of a principal that is deleted alone.
        tenant.later().await;
        let planted = BTreeSet::from([password(&tenant, &principal, "c").await]);
        tenant.admin(Method::DELETE, &principal, None).await;
        let (_, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!(removed(change(&plan, GUARD), "key_ids"), planted);
        workspace.apply(&[]).await.unwrap();
        assert_eq!(present(&tenant).await, ours);
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn removals_whose_answers_are_lost_and_that_collide_end_well() {
    every_cli(async |workspace, tenant| {
        applied(&workspace).await;
        let ours = present(&tenant).await;
        let [app, principal] = paths(&tenant).await;
        password(&tenant, &app, "a").await;
        certificate(&tenant, &principal, "b").await;
        certificate(&tenant, &app, "c").await;
        federated(&tenant, &app, "evil").await;
        for methods in ["POST", "PATCH", "DELETE"] {
            tenant
                .fault(json!({ "methods": [methods], "path": "/graph/v1.0/*", "times": 1, "action": "conflict" }))
                .await;
            tenant
                .fault(
                    json!({ "methods": [methods], "path": "/graph/v1.0/*", "times": 1, "action": "drop_after_commit" }),
                )
                .await;
        }
        workspace.apply(&[]).await.unwrap();
        assert!(tenant.faults().await.iter().all(|one| one["struck"] == 1), "{:?}", tenant.faults().await);
        assert_eq!(present(&tenant).await, ours);
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_guards_of_one_application_are_an_error() {
    every_cli(async |workspace, tenant| {
        applied(&workspace).await;
        let second = guarded(DECLARED, "")
            .split("resource \"m365_connector_credentials_exclusive\"")
            .nth(1)
            .unwrap()
            .replacen("\"x\"", "\"y\"", 1);
        workspace
            .write(&guarded(DECLARED, &format!("resource \"m365_connector_credentials_exclusive\"{second}")))
            .unwrap();
        let output = failed_plan(&workspace, &tenant).await;
        assert!(output.contains("Two guards watch over the credentials of one application"), "{output}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_planted_shows_also_in_a_plan_that_rotates_a_secret() {
    every_cli(async |workspace, tenant| {
        save(&workspace, "a.pem", &pem::certificate("collector").certificate);
        let secret = |more: &str| {
            format!("resource \"m365_connector_secret\" \"x\" {{\n  application_id = m365_connector_app.x.id\n  display_name = \"siem\"\n  {more}\n}}\n")
        };
        let all = "setunion(m365_connector_secret.x.key_ids, [m365_connector_certificate.x.key_id])";
        workspace.write(&guarded(all, &secret(""))).unwrap();
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        let ours = present(&tenant).await;
        let [app, principal] = paths(&tenant).await;
        let planted = BTreeSet::from([
            password(&tenant, &app, "backup").await,
            password(&tenant, &principal, "hidden").await,
            certificate(&tenant, &app, "planted").await,
        ]);
        federated(&tenant, &app, "evil").await;
        workspace.write(&guarded(all, &secret("rotation_triggers = { now = \"1\" }"))).unwrap();
        let (_, plan, output) = workspace.plan(&[]).await.unwrap();
        let seen = change(&plan, GUARD);
        assert_eq!(removed(seen, "key_ids"), planted, "{seen}");
        assert_eq!(removed(seen, "federated_credential_names"), BTreeSet::from(["evil".to_owned()]));
        assert!(planted.iter().all(|id| output.contains(&format!("- \"{id}\""))), "{output}");
        workspace.apply(&[]).await.unwrap();
        let now = present(&tenant).await;
        assert!(now.0.len() == ours.0.len() + 1 && now.0.is_superset(&ours.0) && now.1 == ours.1, "{now:?}");
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_lags_behind_shows_no_drift() {
    every_cli(async |workspace, tenant| {
        let lag = json!({ "requests": 3, "replicas": ["stale", "fresh", "fresh"] });
        assert_eq!(tenant.control(Method::POST, "lag", Some(lag)).await.0, 204);
        applied(&workspace).await;
        tenant.control(Method::DELETE, "lag", None).await;
        assert_eq!(present(&tenant).await.0.len(), 1);
        assert_no_change(&workspace).await;
    })
    .await;
}

/// Adds a certificate under a chosen id behind the provider's back.
async fn certificate_of_id(tenant: &Tenant, holder: &str, id: &str) {
    let key = json!({ "keyId": id, "type": "AsymmetricX509Cert", "usage": "Verify", "key": pem::certificate("planted").base64 });
    tenant.admin(Method::PATCH, holder, Some(json!({ "keyCredentials": [key] }))).await;
}

/// An application with a secret, and a guard that allows just that.
fn guarded_secret(more: &str) -> String {
    format!(
        r#"{HEAD}{BLOCK}
resource "m365_connector_app" "x" {{
  display_name = "x"
}}
resource "m365_connector_secret" "x" {{
  application_id = m365_connector_app.x.id
  display_name   = "siem"
}}
resource "m365_connector_credentials_exclusive" "x" {{
  application_id = m365_connector_app.x.id
  key_ids        = m365_connector_secret.x.key_ids
}}
{more}
"#
    )
}

/// Shows what the data source says of the application.
const SHOWN: &str = r#"
data "m365_connector_app" "x" {
  client_id = m365_connector_app.x.client_id
}
output "credentials" {
  value = data.m365_connector_app.x.credentials
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_certificate_with_the_id_of_a_declared_secret_shows_and_goes() {
    every_cli(async |workspace, tenant| {
        workspace.write(&guarded_secret("")).unwrap();
        workspace.apply(&[]).await.unwrap();
        let [app, principal] = paths(&tenant).await;
        let id = present(&tenant).await.0.pop_first().unwrap();
        certificate_of_id(&tenant, &principal, &id).await;
        certificate_of_id(&tenant, &app, &id.to_uppercase()).await;
        workspace.write(&guarded_secret(SHOWN)).unwrap();
        let (code, plan, output) = workspace.plan(&[]).await.unwrap();
        workspace.write(&guarded_secret("")).unwrap();
        let planted = [format!("certificate@application/{id}"), format!("certificate@service_principal/{id}")];
        assert_eq!((code, removed(change(&plan, GUARD), "key_ids")), (2, BTreeSet::from(planted.clone())), "{output}");
        assert!(planted.iter().all(|name| output.contains(&format!("- \"{name}\""))), "{output}");
        let shown = &plan["planned_values"]["outputs"]["credentials"]["value"];
        assert_eq!(shown.as_object().unwrap().len(), 3, "{shown}");
        assert_eq!((&shown[&id]["kind"], &shown[&planted[1]]["on"]), (&json!("secret"), &json!("service_principal")));
        workspace.apply(&[]).await.unwrap();
        let counts = |object: Value| {
            ["passwordCredentials", "keyCredentials"].map(|name| object[name].as_array().unwrap().len())
        };
        assert_eq!(counts(tenant.admin(Method::GET, &app, None).await), [1, 0]);
        assert_eq!(counts(tenant.admin(Method::GET, &principal, None).await), [0, 0]);
        assert_no_change(&workspace).await;

        // Spelled in full it can be declared.
        tenant.later().await;
        certificate_of_id(&tenant, &principal, &id).await;
        let both = guarded_secret("").replace(
            "= m365_connector_secret.x.key_ids",
            &format!("= setunion(m365_connector_secret.x.key_ids, [\"Certificate@service_principal/{id}\"])"),
        );
        workspace.write(&both).unwrap();
        workspace.apply(&[]).await.unwrap();
        assert_eq!(counts(tenant.admin(Method::GET, &principal, None).await), [0, 1]);
        assert_no_change(&workspace).await;
        workspace.write(&both.replace("Certificate@service_principal", "key@principal")).unwrap();
        let output = failed_plan(&workspace, &tenant).await;
        assert!(output.contains("names no credential") && output.contains("key_ids"), "{output}");
    })
    .await;
}

async fn is_locked(tenant: &Tenant) -> bool {
    tenant.applications().await[0]["servicePrincipalLockConfiguration"]["isEnabled"] == true
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_principal_is_unlocked_for_the_removal_and_locked_again_whatever_comes_of_it() {
    every_cli(async |workspace, tenant| {
        workspace.write(&guarded_secret("")).unwrap();
        workspace.apply(&[]).await.unwrap();
        let [_, principal] = paths(&tenant).await;
        let ours = present(&tenant).await;
        let plant = async || (password(&tenant, &principal, "a").await, certificate(&tenant, &principal, "b").await);
        plant().await;
        assert!(is_locked(&tenant).await);
        workspace.apply(&[]).await.unwrap();
        assert_eq!((present(&tenant).await, is_locked(&tenant).await), (ours.clone(), true));
        assert_no_change(&workspace).await;

        // A removal that fails leaves the lock set.
        plant().await;
        let refused = json!({ "fail": { "status": 403, "code": "Authorization_RequestDenied" } });
        let path = "/graph/v1.0/servicePrincipals/*/removePassword";
        // The first try meets the lock.
        let rule = tenant.fault(json!({ "path": path, "skip": 1, "action": refused })).await;
        workspace.run(&["apply", "-no-color", "-input=false", "-auto-approve"]).await.unwrap().expect(1).unwrap();
        assert!(is_locked(&tenant).await);
        tenant.control(Method::DELETE, &format!("faults/{rule}"), None).await;

        // A run that is killed in between leaves it lifted: the next apply mends both.
        let rule = tenant.fault(json!({ "path": path, "skip": 1, "times": 1, "action": { "hold": {} } })).await;
        crate::secret::apply_and_kill(&workspace, &tenant, rule).await;
        assert!(!is_locked(&tenant).await);
        workspace.apply(&[]).await.unwrap();
        assert_eq!((present(&tenant).await, is_locked(&tenant).await), (ours, true));
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_is_renamed_replaced_and_tainted_and_only_what_a_plan_showed_goes() {
    every_cli(async |workspace, tenant| {
        workspace.write(&guarded_secret("")).unwrap();
        workspace.apply(&[]).await.unwrap();
        let [app, _] = paths(&tenant).await;
        let planted = password(&tenant, &app, "planted").await;
        // Under another address, without `moved`: the same error by every plan, in whatever order the CLI asks.
        let renamed = guarded_secret("").replace("_exclusive\" \"x\"", "_exclusive\" \"y\"");
        workspace.write(&renamed).unwrap();
        for _ in 0..4 {
            let output = failed_plan(&workspace, &tenant).await;
            assert!(
                output.contains("already has credentials that are not declared") && output.contains("`moved` block"),
                "{output}"
            );
        }
        let moved = format!("moved {{\n  from = {GUARD}\n  to   = m365_connector_credentials_exclusive.y\n}}\n");
        workspace.write(&(renamed.clone() + &moved)).unwrap();
        let (_, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!(
            removed(change(&plan, "m365_connector_credentials_exclusive.y"), "key_ids"),
            BTreeSet::from([planted])
        );
        workspace.apply(&[]).await.unwrap();
        assert_eq!(present(&tenant).await.0.len(), 1);

        // Where it is destroyed first, a plan has shown what it guards: the create only says so.
        for way in ["taint", "replace"] {
            let planted = password(&tenant, &app, way).await;
            let arguments = match way {
                "taint" => {
                    workspace
                        .run(&["taint", "m365_connector_credentials_exclusive.y"])
                        .await
                        .unwrap()
                        .expect(0)
                        .unwrap();
                    &[][..]
                }
                _ => &["-replace=m365_connector_credentials_exclusive.y"][..],
            };
            workspace.apply(arguments).await.unwrap();
            let (code, plan, _) = workspace.plan(&[]).await.unwrap();
            assert_eq!(
                (code, removed(change(&plan, "m365_connector_credentials_exclusive.y"), "key_ids")),
                (2, BTreeSet::from([planted]))
            );
            workspace.apply(&[]).await.unwrap();
            assert_no_change(&workspace).await;
        }
    })
    .await;
}
