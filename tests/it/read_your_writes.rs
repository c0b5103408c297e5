//! Promise 4: what a replica does not show yet is waited for, and nothing else is.

use crate::kill_and_resume::{BORN, GONE, GROWN};
use crate::tenant::{Tenant, list};
use crate::workspace::{BLOCK, HEAD, assert_no_change, change, every_cli};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

async fn lag(tenant: &Tenant, lag: Value) {
    assert_eq!(tenant.control(Method::POST, "lag", Some(lag)).await.0, 204);
}

/// The whole life, with an empty plan right after each apply, while the tenant replicates. `tick`: how far the sandbox's clock, by which
/// it replicates, moves on with each request.
async fn life_under(lag_of: Value, tick: &str) {
    every_cli(async |workspace, tenant| {
        lag(&tenant, lag_of.clone()).await;
        let clock = tenant.control(Method::POST, "clock", Some(json!({ "tick": tick }))).await;
        assert!(clock.0.is_success(), "{clock:?}");
        for (phase, title) in [(&BORN, "create"), (&GROWN, "change"), (&GONE, "destroy")] {
            phase.write(&workspace, BLOCK);
            workspace.apply(&[]).await.unwrap_or_else(|why| panic!("{title}: {why:#}"));
            phase.check(&tenant, title).await;
            assert_no_change(&workspace).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_is_made_and_changed_while_every_other_read_is_stale_for_25_seconds() {
    life_under(json!({ "seconds": 25, "replicas": ["stale", "fresh"] }), "PT2S").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_is_made_and_changed_while_most_reads_are_stale_for_a_minute() {
    life_under(json!({ "seconds": 60, "stale_percent": 75 }), "PT4S").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_is_made_and_changed_while_all_reads_are_stale_for_50_seconds() {
    life_under(json!({ "seconds": 50, "replicas": ["stale"] }), "PT5S").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_is_made_and_changed_while_replicas_disagree_entry_by_entry() {
    life_under(json!({ "seconds": 50, "entries": true }), "PT3S").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_under_lag_makes_nothing_twice() {
    for nth in [0, 1, 6] {
        every_cli(async |workspace, tenant| {
            let rule = json!({ "methods": ["POST", "PATCH"], "path": "/graph/*", "skip": nth, "times": 1, "action": "drop_after_commit" });
            tenant.fault(rule).await;
            lag(&tenant, json!({ "seconds": 3 })).await;
            BORN.write(&workspace, BLOCK);
            workspace.apply(&[]).await.unwrap_or_else(|why| panic!("write {nth}: {why:#}"));
            BORN.check(&tenant, "applied").await;
            assert_no_change(&workspace).await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_right_after_an_apply_shows_at_once() {
    every_cli(async |workspace, tenant| {
        BORN.write(&workspace, BLOCK);
        workspace.apply(&[]).await.unwrap();
        let app = tenant.applications().await.remove(0);
        let principal = tenant.principal_of(app["appId"].as_str().unwrap()).await.unwrap();
        let principal = principal["id"].as_str().unwrap();
        tenant.grant(principal, "810c84a8-4a9e-49e6-bf7d-12d183f40d01").await;
        let started = Instant::now();
        let (code, plan, _) = workspace.plan(&[]).await.unwrap();
        assert_eq!(code, 2);
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
        let before = &change(&plan, "m365_admin_consent.this")["before"];
        assert_eq!(before["status"]["microsoft_graph/application/Mail.Read"], "excess");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_back_to_what_was_before_shows_when_the_window_is_over() {
    every_cli(async |workspace, tenant| {
        BORN.write(&workspace, BLOCK);
        workspace.apply(&[]).await.unwrap();
        let app = tenant.applications().await.remove(0);
        let path = format!("/applications/{}", app["id"].as_str().unwrap());
        tenant.admin(Method::PATCH, &path, Some(json!({ "requiredResourceAccess": [] }))).await;
        let planning = workspace.plan(&[]);
        let waiting = async {
            // It asks again and again; then the window is over.
            while reads_of(&tenant, &path).await < 4 {
                tokio::task::yield_now().await;
            }
            tenant.later().await;
        };
        tenant.forget_requests().await;
        let (planned, waited) = tokio::join!(planning, tokio::time::timeout(Duration::from_secs(60), waiting));
        waited.expect("the read was not repeated");
        let (code, plan, _) = planned.unwrap();
        assert_eq!(code, 2);
        assert_eq!(change(&plan, "m365_connector_permission_set.this")["before"]["permissions"], json!([]));
    })
    .await;
}

async fn reads_of(tenant: &Tenant, path: &str) -> usize {
    let (_, log) = tenant.control(Method::GET, "requests", None).await;
    let of_it = |one: &Value| {
        one["method"] == "GET" && one["path"].as_str().unwrap().starts_with(&format!("/graph/v1.0{path}?"))
    };
    list(&log).iter().filter(|one| of_it(one)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_lag_a_plan_right_after_an_apply_reads_no_more_than_one_much_later() {
    every_cli(async |workspace, tenant| {
        BORN.write(&workspace, BLOCK);
        workspace.apply(&[]).await.unwrap();
        let mut counts = Vec::new();
        for _ in 0..2 {
            tenant.forget_requests().await;
            assert_no_change(&workspace).await;
            counts.push(list(&tenant.control(Method::GET, "requests", None).await.1).len());
            tenant.later().await;
        }
        assert_eq!(counts[0], counts[1], "{counts:?}");
    })
    .await;
}

/// Credentials of every kind on a connector, with names that end in `name`.
fn credentials(name: &str) -> String {
    format!(
        r#"{HEAD}{BLOCK}
resource "m365_connector_app" "this" {{
  display_name = "Connector"
}}
resource "m365_connector_secret" "this" {{
  application_id = m365_connector_app.this.id
  display_name   = "secret {name}"
}}
resource "m365_connector_certificate" "this" {{
  application_id = m365_connector_app.this.id
  certificate    = file("a.pem")
  display_name   = "certificate {name}"
}}
resource "m365_connector_federated_credential" "this" {{
  application_id = m365_connector_app.this.id
  name           = "pipeline"
  issuer         = "https://token.actions.githubusercontent.com"
  subject        = "repo:octo/app:environment:{name}"
}}
"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_made_and_changed_while_every_other_read_is_stale() {
    every_cli(async |workspace, tenant| {
        std::fs::write(workspace.folder().join("a.pem"), crate::pem::certificate("collector").certificate).unwrap();
        lag(&tenant, json!({ "seconds": 40 })).await;
        tenant.control(Method::POST, "clock", Some(json!({ "tick": "PT3S" }))).await;
        for name in ["one", "two"] {
            workspace.write(&credentials(name)).unwrap();
            workspace.apply(&[]).await.unwrap_or_else(|why| panic!("{name}: {why:#}"));
            assert_no_change(&workspace).await;
        }
        let app = tenant.applications().await.remove(0);
        assert_eq!(app["keyCredentials"].as_array().unwrap().len(), 1);
        // The one before a rotation is kept until the next.
        assert_eq!(app["passwordCredentials"].as_array().unwrap().len(), 2);
        let path = format!("/applications/{}/federatedIdentityCredentials", app["id"].as_str().unwrap());
        let federated = list(&tenant.admin(Method::GET, &path, None).await);
        assert_eq!(federated.len(), 1);
        assert_eq!(federated[0]["subject"], "repo:octo/app:environment:two");
    })
    .await;
}

/// A connector with federated credentials of these names and this subject, and a guard that allows them and no others.
fn guarded(names: &[&str], subject: &str) -> String {
    format!(
        r#"{HEAD}{BLOCK}
resource "m365_connector_app" "this" {{
  display_name = "Connector"
}}
resource "m365_connector_federated_credential" "this" {{
  for_each       = toset({names})
  application_id = m365_connector_app.this.id
  name           = each.key
  issuer         = "https://token.actions.githubusercontent.com"
  subject        = "repo:octo/app:environment:${{each.key}}-{subject}"
}}
resource "m365_connector_credentials_exclusive" "this" {{
  application_id             = m365_connector_app.this.id
  key_ids                    = []
  federated_credential_names = [for one in m365_connector_federated_credential.this : one.name]
}}
"#,
        names = json!(names)
    )
}

/// Each step of the life of federated credentials and their guard, under lag: what it writes to them, once each, and an empty plan
/// right after it.
async fn guarded_life_under(lag_of: Value, tick: &str) {
    every_cli(async |workspace, tenant| {
        lag(&tenant, lag_of.clone()).await;
        tenant.control(Method::POST, "clock", Some(json!({ "tick": tick }))).await;
        let steps: [(&[&str], &str, &[&str]); 4] = [
            (&["alpha", "beta"], "one", &["POST", "POST"]),
            (&["alpha", "beta"], "two", &["PATCH", "PATCH"]),
            (&["beta", "gamma"], "two", &["DELETE", "POST"]),
            (&[], "two", &["DELETE", "DELETE"]),
        ];
        for (names, subject, expected) in steps {
            workspace.write(&guarded(names, subject)).unwrap();
            tenant.forget_requests().await;
            workspace.apply(&[]).await.unwrap_or_else(|why| panic!("{names:?} {subject}: {why:#}"));
            // A refusal is no write: where the application is not replicated yet, or the guard was first to remove one.
            let (_, log) = tenant.control(Method::GET, "requests", None).await;
            let writes = list(&log).into_iter().filter(|one| {
                let path = one["path"].as_str().unwrap();
                one["method"] != "GET"
                    && one["status"].as_u64() < Some(300)
                    && path.contains("/federatedIdentityCredentials")
            });
            let writes: Vec<Value> = writes.collect();
            let mut methods: Vec<&str> = writes.iter().map(|one| one["method"].as_str().unwrap()).collect();
            methods.sort_unstable();
            assert_eq!(methods, expected, "{names:?} {subject}: {writes:#?}");
            assert_no_change(&workspace).await;
            let app = tenant.applications().await.remove(0);
            let path = format!("/applications/{}/federatedIdentityCredentials", app["id"].as_str().unwrap());
            let mut there: Vec<(String, String)> = list(&tenant.admin(Method::GET, &path, None).await)
                .iter()
                .map(|one| (one["name"].as_str().unwrap().to_owned(), one["subject"].as_str().unwrap().to_owned()))
                .collect();
            there.sort();
            let of = |name: &&str| ((*name).to_owned(), format!("repo:octo/app:environment:{name}-{subject}"));
            assert_eq!(there, names.iter().map(of).collect::<Vec<_>>());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn federated_credentials_and_their_guard_live_while_all_reads_are_stale_for_50_seconds() {
    guarded_life_under(json!({ "seconds": 50, "replicas": ["stale"] }), "PT5S").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn federated_credentials_and_their_guard_live_while_replicas_disagree_entry_by_entry() {
    guarded_life_under(json!({ "seconds": 50, "entries": true }), "PT5S").await;
}
