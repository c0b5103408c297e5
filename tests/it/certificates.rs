//! Certificates of a connector: their life, what others do to them, and many at once.

use crate::pem::{self, Pem};
use crate::secret::while_time_passes;
use crate::tenant::{Tenant, list};
use crate::workspace::{BLOCK, HEAD, Workspace, assert_no_change, change, every_cli, failed_plan, flat};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const ADDRESS: &str = "m365_connector_certificate.x";

fn configuration(file: &str, more: &str) -> String {
    format!(
        r#"{HEAD}{BLOCK}
resource "m365_connector_app" "x" {{
  display_name = "x"
}}
resource "m365_connector_certificate" "x" {{
  application_id = m365_connector_app.x.id
  certificate    = file("{file}")
  {more}
}}
"#
    )
}

fn save(workspace: &Workspace, file: &str, text: &str) {
    std::fs::write(workspace.folder().join(file), text).unwrap();
}

async fn app_path(tenant: &Tenant) -> String {
    format!("/applications/{}", tenant.applications().await[0]["id"].as_str().unwrap())
}

async fn keys(tenant: &Tenant) -> Vec<Value> {
    let path = format!("{}?$select=keyCredentials", app_path(tenant).await);
    tenant.admin(Method::GET, &path, None).await["keyCredentials"].as_array().unwrap().clone()
}

/// Adds a certificate behind the provider's back.
async fn plant(tenant: &Tenant, name: &str) -> String {
    let mut all = keys(tenant).await;
    all.push(json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": pem::certificate(name).base64, "displayName": name }));
    tenant.admin(Method::PATCH, &app_path(tenant).await, Some(json!({ "keyCredentials": all }))).await;
    keys(tenant).await.last().unwrap()["keyId"].as_str().unwrap().to_owned()
}

async fn made(workspace: &Workspace) -> Pem {
    let pem = pem::certificate("collector");
    save(workspace, "a.pem", &pem.certificate);
    workspace.write(&configuration("a.pem", "")).unwrap();
    workspace.apply(&[]).await.unwrap();
    pem
}

async fn in_state(workspace: &Workspace) -> Value {
    let output = workspace.run(&["show", "-json"]).await.unwrap().expect(0).unwrap();
    let state: Value = serde_json::from_str(output.lines().find(|line| line.starts_with('{')).unwrap()).unwrap();
    let all = state["values"]["root_module"]["resources"].as_array().unwrap();
    all.iter().find(|one| one["address"] == ADDRESS).unwrap()["values"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_added_renamed_replaced_and_removed_among_others() {
    every_cli(async |workspace, tenant| {
        let pem = made(&workspace).await;
        assert_no_change(&workspace).await;
        let found = keys(&tenant).await;
        assert_eq!(
            (found.len(), &found[0]["key"], &found[0]["displayName"]),
            (1, &json!(pem.base64), &json!("CN=collector"))
        );
        let state = in_state(&workspace).await;
        assert_eq!((&state["thumbprint"], &state["key_id"]), (&found[0]["customKeyIdentifier"], &found[0]["keyId"]));
        assert_eq!(
            (&state["start_date_time"], &state["end_date_time"]),
            (&json!("2020-01-01T00:00:00Z"), &json!("2090-01-01T00:00:00Z"))
        );
        let planted = plant(&tenant, "somebody's").await;
        assert_no_change(&workspace).await;

        workspace.write(&configuration("a.pem", "display_name = \"collector 1\"")).unwrap();
        workspace.apply(&[]).await.unwrap();
        // Graph keeps a stored key as it is: it is exchanged in one write, and the plan says that its id is another one.
        let renamed = keys(&tenant).await.into_iter().find(|one| one["displayName"] == "collector 1").unwrap();
        assert_eq!((&renamed["key"], keys(&tenant).await.len()), (&found[0]["key"], 2));
        assert_ne!(renamed["keyId"], found[0]["keyId"]);
        assert_eq!(in_state(&workspace).await["key_id"], renamed["keyId"]);
        // Nothing of the exchanged one is waited for.
        tenant.forget_requests().await;
        assert_no_change(&workspace).await;
        let reads = list(&tenant.control(Method::GET, "requests", None).await.1);
        let reads = reads
            .iter()
            .filter(|one| one["path"].as_str().is_some_and(|path| path.starts_with("/graph/v1.0/applications/")));
        assert!(reads.count() < 10);

        save(&workspace, "b.pem", &pem::certificate("collector").certificate);
        workspace.write(&configuration("b.pem", "")).unwrap();
        let (_, plan, _) = workspace.plan(&[]).await.unwrap();
        let replaced = change(&plan, ADDRESS);
        assert_eq!(
            (&replaced["actions"], &replaced["replace_paths"]),
            (&json!(["delete", "create"]), &json!([["certificate"]]))
        );
        assert!(replaced["after"]["thumbprint"].as_str().is_some_and(|new| new != state["thumbprint"]), "{replaced}");
        assert_eq!(replaced["after_unknown"]["key_id"], true);
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        let ids: Vec<_> = keys(&tenant).await.iter().map(|one| one["keyId"].clone()).collect();
        assert!(ids.len() == 2 && ids.contains(&json!(planted)) && !ids.contains(&renamed["keyId"]), "{ids:?}");

        workspace.run(&["apply", "-auto-approve", "-destroy", "-target", ADDRESS]).await.unwrap().expect(0).unwrap();
        assert_eq!(keys(&tenant).await.iter().map(|one| one["keyId"].clone()).collect::<Vec<_>>(), [json!(planted)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_by_hand_shows_and_is_repaired() {
    every_cli(async |workspace, tenant| {
        let pem = made(&workspace).await;
        let path = app_path(&tenant).await;
        // Exchanged by hand for one of another name, it is exchanged back.
        tenant.later().await;
        let other =
            json!([{ "type": "AsymmetricX509Cert", "usage": "Verify", "key": pem.base64, "displayName": "other" }]);
        tenant.admin(Method::PATCH, &path, Some(json!({ "keyCredentials": other }))).await;
        let (code, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!((code, &change(&plan, ADDRESS)["actions"]), (2, &json!(["create"])));
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        assert_eq!((keys(&tenant).await.len(), &keys(&tenant).await[0]["displayName"]), (1, &json!("CN=collector")));

        tenant.later().await;
        tenant.admin(Method::PATCH, &path, Some(json!({ "keyCredentials": [] }))).await;
        let (code, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!((code, &change(&plan, ADDRESS)["actions"]), (2, &json!(["create"])));
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        assert_eq!(keys(&tenant).await[0]["key"], pem.base64.as_str());

        // A deleted application keeps its certificates, and has them again once it is restored.
        tenant.admin(Method::DELETE, &path, None).await;
        let (code, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!((code, &change(&plan, ADDRESS)["actions"]), (2, &json!(["no-op"])));
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        assert_eq!(keys(&tenant).await.len(), 1);

        // Destroying goes on where the application is gone already.
        tenant.admin(Method::DELETE, &path, None).await;
        workspace.apply(&["-destroy", "-refresh=false"]).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_spelling_of_the_same_certificate_is_written_nowhere() {
    every_cli(async |workspace, tenant| {
        let pem = made(&workspace).await;
        save(&workspace, "a.pem", &format!("subject=CN = collector\n{}", pem.certificate.replace('\n', "\r\n")));
        let (_, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!(change(&plan, ADDRESS)["actions"], json!(["update"]));
        tenant.forget_requests().await;
        workspace.apply(&[]).await.unwrap();
        assert_eq!(tenant.writes().await, Vec::<String>::new());
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_thumbprint_is_taken_over_and_imports_are_empty() {
    every_cli(async |workspace, tenant| {
        made(&workspace).await;
        let key = keys(&tenant).await[0]["keyId"].as_str().unwrap().to_owned();
        let app = app_path(&tenant).await.rsplit('/').next().unwrap().to_owned();
        let forget = async || {
            workspace.run(&["state", "rm", ADDRESS]).await.unwrap().expect(0).unwrap();
        };
        forget().await;
        tenant.forget_requests().await;
        let output = flat(&workspace.apply(&[]).await.unwrap());
        assert!(output.contains("had this certificate already") && output.contains(&key), "{output}");
        assert_eq!((tenant.writes().await, keys(&tenant).await.len()), (Vec::new(), 1));
        assert_no_change(&workspace).await;
        for prefix in [String::new(), format!("{}/", tenant.connection().tenant_id)] {
            forget().await;
            let id = format!("{prefix}{app}/{key}");
            workspace.run(&["import", "-no-color", "-input=false", ADDRESS, &id]).await.unwrap().expect(0).unwrap();
            assert_no_change(&workspace).await;
        }
        forget().await;
        let missing = format!("{app}/11111111-2222-3333-4444-555555555555");
        let output = workspace.run(&["import", "-no-color", "-input=false", ADDRESS, &missing]).await.unwrap();
        assert!(output.expect(1).unwrap().contains("non-existent"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_key_is_refused_and_appears_nowhere() {
    every_cli(async |workspace, tenant| {
        let pem = pem::certificate("x");
        let secret: Vec<_> = pem.private_key.lines().filter(|line| !line.starts_with('-')).collect();
        for text in [&pem.private_key, &format!("{}{}", pem.certificate, pem.private_key)] {
            let heredoc = format!("<<EOT\n{text}EOT\n");
            let configuration = configuration("a.pem", "").replace("file(\"a.pem\")", &heredoc);
            workspace.write(&configuration).unwrap();
            let output = failed_plan(&workspace, &tenant).await;
            assert!(output.contains("holds a private key"), "{output}");
            assert!(secret.iter().all(|line| !output.contains(line)), "the key is in the output:\n{output}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_certificates_fail_before_anything_is_written() {
    every_cli(async |workspace, tenant| {
        let (one, other) = (pem::certificate("one"), pem::certificate("other"));
        workspace.write(&configuration("a.pem", "")).unwrap();
        for (text, why) in [
            ("no certificate".to_owned(), "is no certificate in PEM"),
            (one.certificate.clone() + &other.certificate, "several certificates"),
            (pem::until("old", 2021).certificate, "has expired"),
            (
                pem::signed("curve", 2090, &rcgen::KeyPair::generate().unwrap()).certificate,
                "Nobody can sign in with this certificate",
            ),
        ] {
            save(&workspace, "a.pem", &text);
            let output = failed_plan(&workspace, &tenant).await;
            assert!(output.contains(why), "{output}");
        }
        save(&workspace, "a.pem", &one.certificate);
        let missing = "11111111-2222-3333-4444-555555555555";
        workspace
            .write(&configuration("a.pem", "").replace("= m365_connector_app.x.id", &format!("= \"{missing}\"")))
            .unwrap();
        let output = failed_plan(&workspace, &tenant).await;
        assert!(output.contains(&format!("no application with the object id {missing}")), "{output}");
        // Declared twice for one application.
        workspace.write(&configuration("a.pem", "")).unwrap();
        workspace.apply(&[]).await.unwrap();
        let twice = configuration("a.pem", "").replace(
            "resource \"m365_connector_certificate\" \"x\" {",
            "resource \"m365_connector_certificate\" \"x\" {\n  count = 2",
        );
        workspace.write(&twice).unwrap();
        let output = failed_plan(&workspace, &tenant).await;
        assert!(output.contains("Two resources manage one certificate"), "{output}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_plan_of_the_last_thirty_days_warns() {
    every_cli(async |workspace, tenant| {
        save(&workspace, "a.pem", &pem::until("x", 2060).certificate);
        workspace.write(&configuration("a.pem", "")).unwrap();
        let at = async |now: &str| {
            tenant.control(Method::POST, "clock", Some(json!({ "now": now }))).await;
        };
        at("2059-01-01T00:00:00Z").await;
        workspace.apply(&[]).await.unwrap();
        for (now, warned) in [
            ("2059-12-01T00:00:00Z", None),
            ("2059-12-02T00:00:00Z", Some("expires soon")),
            ("2059-12-31T00:00:00Z", Some("expires soon")),
            ("2060-01-02T00:00:00Z", Some("has expired")),
        ] {
            at(now).await;
            let (code, _, output) = workspace.plan(&[]).await.unwrap();
            assert_eq!(code, 0, "{output}");
            let found = ["expires soon", "has expired"]
                .into_iter()
                .find(|text| output.contains(&format!("The certificate {text}")));
            assert_eq!(found, warned, "{now}: {output}");
        }
        // Without a refresh the day of the last one that was stored counts.
        at("2059-12-15T00:00:00Z").await;
        workspace.apply(&["-refresh-only"]).await.unwrap();
        at("2059-06-01T00:00:00Z").await;
        let (_, _, output) = workspace.plan(&["-refresh=false"]).await.unwrap();
        assert!(output.contains("expires soon"), "{output}");
    })
    .await;
}

fn twenty(workspace: &Workspace, more: &str) -> BTreeSet<String> {
    let mut expected = BTreeSet::new();
    for number in 0..20 {
        let pem = pem::certificate(&format!("collector {number}"));
        save(workspace, &format!("{number}.pem"), &pem.certificate);
        expected.insert(pem.base64);
    }
    let all = configuration("${count.index}.pem", &format!("count = 20\n  {more}"));
    workspace.write(&all).unwrap();
    expected
}

async fn ders(tenant: &Tenant) -> BTreeSet<String> {
    let all: Vec<_> = keys(tenant).await.iter().map(|one| one["key"].as_str().unwrap().to_owned()).collect();
    let set: BTreeSet<_> = all.iter().cloned().collect();
    assert_eq!(all.len(), set.len(), "a certificate is there twice");
    set
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_in_parallel_all_exist_though_writes_collide_and_answers_are_lost() {
    every_cli(async |workspace, tenant| {
        let expected = twenty(&workspace, "");
        let patch = |skip: u64, every: u64, times: u64, action: Value| json!({ "methods": ["PATCH"], "path": "/graph/v1.0/applications/*", "skip": skip, "every": every, "times": times, "action": action });
        tenant.fault(patch(0, 3, 4, json!("conflict"))).await;
        tenant.fault(patch(1, 4, 3, json!({ "fail": { "status": 409, "code": "Directory_ConcurrencyViolation" } }))).await;
        tenant.fault(patch(2, 5, 2, json!("drop_after_commit"))).await;
        workspace.apply(&["-parallelism=20"]).await.unwrap();
        assert!(tenant.faults().await.iter().all(|one| one["struck"].as_u64() > Some(0)), "{:?}", tenant.faults().await);
        assert_eq!(ders(&tenant).await, expected);
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_of_each_kind_of_credential_side_by_side_and_nothing_else() {
    every_cli(async |workspace, tenant| {
        let expected = twenty(&workspace, "");
        let certificates = configuration("${count.index}.pem", "count = 20");
        let further = r#"
resource "m365_connector_secret" "x" {
  count          = 20
  application_id = m365_connector_app.x.id
  display_name   = "siem-${count.index}"
}
resource "m365_connector_federated_credential" "x" {
  count          = 20
  application_id = m365_connector_app.x.id
  name           = "github-${count.index}"
  issuer         = "https://token.actions.githubusercontent.com"
  subject        = "repo:octo/app-${count.index}:environment:x"
}
resource "m365_connector_credentials_exclusive" "x" {
  application_id             = m365_connector_app.x.id
  key_ids                    = setunion(m365_connector_certificate.x[*].key_id, m365_connector_secret.x[*].key_id)
  federated_credential_names = m365_connector_federated_credential.x[*].name
}
"#;
        workspace.write(&format!("{certificates}{further}")).unwrap();
        let writes = json!({ "methods": ["POST", "PATCH"], "path": "/graph/v1.0/applications/*", "every": 7, "action": "conflict" });
        tenant.fault(writes).await;
        workspace.apply(&["-parallelism=20"]).await.unwrap();
        assert!(tenant.faults().await[0]["struck"].as_u64() > Some(5), "{:?}", tenant.faults().await);
        assert_eq!(ders(&tenant).await, expected);
        let path = app_path(&tenant).await;
        let app = tenant.admin(Method::GET, &path, None).await;
        let trusts = tenant.admin(Method::GET, &format!("{path}/federatedIdentityCredentials"), None).await;
        let count = |list: &Value| list.as_array().unwrap().len();
        assert_eq!((count(&app["passwordCredentials"]), count(&trusts["value"])), (20, 20));
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_overwrites_is_added_again() {
    every_cli(async |workspace, tenant| {
        workspace.write(&format!("{HEAD}{BLOCK}resource \"m365_connector_app\" \"x\" {{\n  display_name = \"x\"\n}}\n")).unwrap();
        workspace.apply(&[]).await.unwrap();
        let pem = pem::certificate("collector");
        save(&workspace, "a.pem", &pem.certificate);
        workspace.write(&configuration("a.pem", "")).unwrap();
        // Another process had read before our write, and writes after it, before we look again.
        for reads in [2, 3, 4] {
            let others = pem::certificate("other");
            let rule = tenant
                .fault(json!({ "methods": ["GET"], "path": "/graph/v1.0/applications/*?$select=keyCredentials", "skip": reads, "times": 1, "action": { "hold": {} } }))
                .await;
            let (applied, ()) = tokio::join!(workspace.apply(&[]), async {
                tenant.until_held(rule).await;
                let theirs = json!([{ "type": "AsymmetricX509Cert", "usage": "Verify", "key": others.base64 }]);
                tenant.admin(Method::PATCH, &app_path(&tenant).await, Some(json!({ "keyCredentials": theirs }))).await;
                tenant.control(Method::DELETE, "faults", None).await;
            });
            applied.unwrap();
            assert_eq!(ders(&tenant).await, BTreeSet::from([pem.base64.clone(), others.base64]), "after {reads} reads");
            assert_no_change(&workspace).await;
            workspace.run(&["apply", "-auto-approve", "-destroy", "-target", ADDRESS]).await.unwrap().expect(0).unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_dies_after_the_write_leaves_one_certificate_to_the_next() {
    every_cli(async |workspace, tenant| {
        let pem = pem::certificate("collector");
        save(&workspace, "a.pem", &pem.certificate);
        workspace.write(&configuration("a.pem", "timeouts = { create = \"2s\" }")).unwrap();
        // Every answer after the commit is lost until the operation's time is over, but that to the confirmation of the application.
        let lost = json!({ "methods": ["PATCH"], "path": "/graph/v1.0/applications/*", "skip": 1, "action": "drop_after_commit" });
        tenant.fault(lost).await;
        workspace.run(&["apply", "-no-color", "-input=false", "-auto-approve"]).await.unwrap().expect(1).unwrap();
        assert_eq!(ders(&tenant).await.len(), 1);
        tenant.control(Method::DELETE, "faults", None).await;
        workspace.apply(&[]).await.unwrap();
        assert_eq!(ders(&tenant).await, BTreeSet::from([pem.base64]));
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_lags_behind_loses_no_certificate_and_shows_no_drift() {
    every_cli(async |workspace, tenant| {
        let expected = twenty(&workspace, "");
        let lag = json!({ "requests": 3, "replicas": ["stale", "fresh", "fresh"] });
        assert_eq!(tenant.control(Method::POST, "lag", Some(lag)).await.0, 204);
        workspace.apply(&[]).await.unwrap();
        assert_no_change(&workspace).await;
        tenant.control(Method::DELETE, "lag", None).await;
        assert_eq!(ders(&tenant).await, expected);
        assert_no_change(&workspace).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_without_moved_a_replacement_and_a_taint_end_with_the_certificate_in_any_order() {
    every_cli(async |workspace, tenant| {
        made(&workspace).await;
        let delay = json!({ "delay": { "milliseconds": 700 } });
        let path = "/graph/v1.0/applications/*";
        // The create ends last, or begins last: the plan in apply looks first.
        for (label, methods) in [("y", "PATCH"), ("x", "GET")] {
            let rule = tenant.fault(json!({ "methods": [methods], "path": path, "action": delay })).await;
            workspace
                .write(
                    &configuration("a.pem", "").replace("certificate\" \"x\"", &format!("certificate\" \"{label}\"")),
                )
                .unwrap();
            workspace.apply(&[]).await.unwrap();
            tenant.control(Method::DELETE, &format!("faults/{rule}"), None).await;
            assert_eq!(keys(&tenant).await.len(), 1);
            assert_no_change(&workspace).await;
        }
        for more in ["", "lifecycle {\n    create_before_destroy = true\n  }"] {
            workspace.write(&configuration("a.pem", more)).unwrap();
            workspace.apply(&[&format!("-replace={ADDRESS}")]).await.unwrap();
            assert_eq!(keys(&tenant).await.len(), 1);
            workspace.run(&["taint", ADDRESS]).await.unwrap().expect(0).unwrap();
            workspace.apply(&[]).await.unwrap();
            assert_eq!(keys(&tenant).await.len(), 1);
            assert_no_change(&workspace).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tenant_holds_already_stays_though_nobody_can_sign_in_with_it() {
    every_cli(async |workspace, tenant| {
        workspace
            .write(&format!("{HEAD}{BLOCK}resource \"m365_connector_app\" \"x\" {{\n  display_name = \"x\"\n}}\n"))
            .unwrap();
        workspace.apply(&[]).await.unwrap();
        // One that has no name, and no end.
        let pem = pem::signed("curve", 9999, &rcgen::KeyPair::generate().unwrap());
        save(&workspace, "a.pem", &pem.certificate);
        let key = json!([{ "type": "AsymmetricX509Cert", "usage": "Verify", "key": pem.base64 }]);
        let path = app_path(&tenant).await;
        tenant.admin(Method::PATCH, &path, Some(json!({ "keyCredentials": key }))).await;
        let id = format!("{}/{}", path.rsplit('/').next().unwrap(), keys(&tenant).await[0]["keyId"].as_str().unwrap());
        workspace.write(&configuration("a.pem", "")).unwrap();
        workspace.run(&["import", "-no-color", "-input=false", ADDRESS, &id]).await.unwrap().expect(0).unwrap();
        tenant.forget_requests().await;
        let output = workspace.apply(&[]).await.unwrap();
        assert!(output.contains("Warning: Nobody can sign in with this certificate"), "{output}");
        assert_eq!(tenant.writes().await, Vec::<String>::new());
        assert_no_change(&workspace).await;
        workspace.apply(&["-destroy"]).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_seconds_of_lag_lose_no_certificate_and_show_no_drift() {
    every_cli(async |workspace, tenant| {
        workspace
            .write(&format!("{HEAD}{BLOCK}resource \"m365_connector_app\" \"x\" {{\n  display_name = \"x\"\n}}\n"))
            .unwrap();
        workspace.apply(&[]).await.unwrap();
        tenant.later().await;
        let pem = pem::certificate("collector");
        save(&workspace, "a.pem", &pem.certificate);
        for lag in [json!({ "seconds": 50, "replicas": ["stale"] }), json!({ "seconds": 50, "entries": true })] {
            tenant.control(Method::POST, "lag", Some(lag.clone())).await;
            let name = format!("display_name = \"{}\"", lag["entries"]);
            for more in ["", &name] {
                workspace.write(&configuration("a.pem", more)).unwrap();
                while_time_passes(&tenant, workspace.apply(&[])).await.unwrap();
                while_time_passes(&tenant, assert_no_change(&workspace)).await;
            }
            tenant.control(Method::DELETE, "lag", None).await;
            assert_eq!(ders(&tenant).await, BTreeSet::from([pem.base64.clone()]));
        }
    })
    .await;
}
