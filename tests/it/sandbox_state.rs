//! `sandbox --state FILE`: the simulated tenants outlive the process.

use crate::workspace::PROVIDER;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use terraform_provider_m365::cli::terraform::Workspace;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A sandbox in a process of its own, and what its first line says.
async fn start(state: &Path) -> (Child, Value) {
    let mut child = Command::new(PROVIDER)
        .args(["sandbox", "--listen", "127.0.0.1:0", "--state"])
        .arg(state)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().expect("the sandbox said nothing");
    (child, serde_json::from_str(&line).unwrap())
}

async fn admin(connection: &Value, method: reqwest::Method, path: &str, body: Value) -> Value {
    let text = |name: &str| connection[name].as_str().unwrap().to_owned();
    let url = format!("{}/tenants/{}/v1.0{path}", text("control"), text("tenant_id"));
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let answer = http.request(method, url).json(&body).send().await.unwrap().error_for_status().unwrap();
    answer.json().await.unwrap()
}

#[tokio::test]
async fn what_was_made_is_there_after_a_kill_and_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("tenants.json");
    let (mut child, connection) = start(&state).await;
    let made =
        admin(&connection, reqwest::Method::POST, "/applications", json!({ "displayName": "Kept", "tags": ["a"] }))
            .await;
    // No chance to save at the end: it was saved with the change.
    child.kill().await.unwrap();
    let (_child, connection) = start(&state).await;
    let path = format!("/applications/{}", made["id"].as_str().unwrap());
    assert_eq!(admin(&connection, reqwest::Method::GET, &path, Value::Null).await, made);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|one| one.unwrap().file_name()).collect();
    assert_eq!(left, ["tenants.json"], "no half-written file is left");
}

#[tokio::test]
async fn the_clock_and_the_tokens_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("tenants.json");
    let (mut child, connection) = start(&state).await;
    let text = |connection: &Value, name: &str| connection[name].as_str().unwrap().to_owned();
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let clock = |connection: &Value| format!("{}/clock", text(connection, "control"));
    http.post(clock(&connection)).json(&json!({ "advance": "P10D" })).send().await.unwrap().error_for_status().unwrap();
    let before: Value = http.get(clock(&connection)).send().await.unwrap().json().await.unwrap();
    child.kill().await.unwrap();
    let (_child, connection) = start(&state).await;
    let after: Value = http.get(clock(&connection)).send().await.unwrap().json().await.unwrap();
    let at = |clock: &Value| clock["now"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let passed = at(&after).duration_since(at(&before)).as_secs();
    assert!((0..3600).contains(&passed), "{before} {after}");
}

#[tokio::test]
async fn a_file_that_is_something_else_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.json");
    let with = |version: u32| json!({ "format": "m365-sandbox", "version": version, "odd": 1 }).to_string();
    for (text, expected) in [
        ("not json".to_owned(), "is no state of a sandbox"),
        (json!({ "format": "terraform", "version": 4 }).to_string(), "its format is \"terraform\""),
        (with(99), "has version 99"),
        (with(1), "unknown field `odd`"),
    ] {
        std::fs::write(&file, &text).unwrap();
        let run = Command::new(PROVIDER).args(["sandbox", "--listen", "127.0.0.1:0", "--state"]).arg(&file).output();
        let run = run.await.unwrap();
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(!run.status.success() && said.contains(expected) && said.contains("other.json"), "{said}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }
}

#[tokio::test]
async fn a_connector_survives_the_restart_of_its_tenant() {
    for cli in terraform_provider_m365::cli::terraform::find().unwrap() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("tenants.json");
        let configuration = format!(
            "{}{}resource \"m365_connector_app\" \"this\" {{\n  profile = \"md-eco-m365-defender\"\n}}\n",
            crate::workspace::HEAD,
            crate::workspace::BLOCK
        );
        for expected in [2, 0] {
            let (mut child, connection) = start(&state).await;
            let base = connection["graph"].as_str().unwrap().trim_end_matches("/graph").to_owned();
            let workspace = Workspace::new(&cli, folder.path(), Path::new(PROVIDER), &base).unwrap();
            workspace.write(&configuration).unwrap();
            assert_eq!(workspace.plan(&[]).await.unwrap().0, expected);
            workspace.apply(&[]).await.unwrap();
            child.kill().await.unwrap();
        }
    }
}
