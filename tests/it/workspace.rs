//! What the tests with a real CLI share.

use crate::tenant::Tenant;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use terraform_provider_m365::cli::terraform::find;
pub use terraform_provider_m365::cli::terraform::{Outcome, Workspace};

pub const PROVIDER: &str = env!("CARGO_BIN_EXE_terraform-provider-m365");

/// The start of every configuration.
pub const HEAD: &str = r#"
terraform {
  required_providers {
    m365 = { source = "connectors/m365" }
  }
}
"#;
/// The usual provider block.
pub const BLOCK: &str = r#"
provider "m365" {
  environment = "sandbox"
}
"#;

/// Runs a test once per CLI on this machine, each time with a new folder and a new tenant.
pub async fn every_cli<F: AsyncFn(Workspace, Tenant)>(test: F) {
    for cli in find().unwrap() {
        let (tenant, folder) = (Tenant::start().await, tempfile::tempdir().unwrap());
        let workspace = Workspace::new(&cli, folder.path(), Path::new(PROVIDER), &tenant.url()).unwrap();
        println!("{}", workspace.version().await.unwrap());
        test(workspace, tenant).await;
    }
}

/// The planned change of a resource: its actions, and the state before and after.
pub fn change<'a>(plan: &'a Value, address: &str) -> &'a Value {
    let all = plan["resource_changes"].as_array().unwrap();
    &all.iter().find(|one| one["address"] == address).unwrap_or_else(|| panic!("{address} is not in the plan"))["change"]
}

/// A set of texts.
pub fn texts(value: &Value) -> BTreeSet<String> {
    value.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

/// The second plan is empty.
pub async fn assert_no_change(workspace: &Workspace) {
    let (code, _, output) = workspace.plan(&[]).await.unwrap();
    assert_eq!(code, 0, "the second plan is not empty:\n{output}");
}

/// Applies data blocks and gives the attributes of each by address.
pub async fn read(workspace: &Workspace, blocks: &str) -> Value {
    workspace.write(&format!("{HEAD}{BLOCK}{blocks}")).unwrap();
    workspace.apply(&[]).await.unwrap();
    let shown = workspace.run(&["show", "-json"]).await.unwrap().expect(0).unwrap();
    let state: Value = serde_json::from_str(shown.lines().find(|line| line.starts_with('{')).unwrap()).unwrap();
    let all = state["values"]["root_module"]["resources"].as_array().unwrap().clone();
    all.into_iter().map(|one| (one["address"].as_str().unwrap().to_owned(), one["values"].clone())).collect()
}

/// An output of the CLI as one line without the frame that it draws around errors.
pub fn flat(output: &str) -> String {
    output.replace(['│', '╷', '╵'], " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A failed plan's whole text, flat. Nothing was written for it.
pub async fn failed_plan(workspace: &Workspace, tenant: &Tenant) -> String {
    tenant.forget_requests().await;
    let planned = workspace.run(&["plan", "-no-color", "-input=false"]).await.unwrap();
    let output = flat(&planned.expect(1).unwrap());
    assert_eq!(tenant.writes().await, Vec::<String>::new(), "a plan wrote");
    output
}
