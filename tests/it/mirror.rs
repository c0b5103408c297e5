//! The way of a user with a release: the files that `tools/package.rs` makes, in a filesystem mirror, through `init` and its lock file.

#[path = "../../tools/package.rs"]
mod package;

use crate::workspace::{BLOCK, assert_no_change, every_cli};
use std::path::{Path, PathBuf};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The files of a release of this build, for this platform.
fn release(out: &Path) -> PathBuf {
    let binary = Path::new(crate::workspace::PROVIDER);
    let archive = package::archive(binary, package::system(), package::processor(), out).unwrap();
    package::sums(out).unwrap();
    archive
}

#[test]
fn a_release_has_the_registries_files_and_their_right_sums() {
    let out = tempfile::tempdir().unwrap();
    let archive = release(out.path());
    let stem = format!("terraform-provider-m365_{VERSION}");
    let read = |name: &str| std::fs::read(out.path().join(name)).unwrap();
    let sums = String::from_utf8(read(&format!("{stem}_SHA256SUMS"))).unwrap();
    let names: Vec<_> = sums.lines().map(|line| line.split_once("  ").unwrap()).collect();
    assert_eq!(names.len(), 2, "{sums}");
    for (sum, name) in names {
        assert_eq!(sum, package::sha256(&read(name)), "{name}");
        assert!(name == format!("{stem}_manifest.json") || archive.ends_with(name), "{name}");
    }
    // The published test vector of SHA-256 (FIPS 180-4).
    assert_eq!(package::sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let before = std::fs::read(&archive).unwrap();
    assert_eq!(std::fs::read(release(out.path())).unwrap(), before, "the same input gives the same bytes");
    let manifest: serde_json::Value = serde_json::from_slice(&read(&format!("{stem}_manifest.json"))).unwrap();
    assert_eq!(manifest["metadata"]["protocol_versions"], serde_json::json!(["6.0"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_installed_from_a_mirror_locked_and_used() {
    let out = tempfile::tempdir().unwrap();
    let archive = release(out.path());
    // The same short source address is of another registry for each CLI.
    let mirror = tempfile::tempdir().unwrap();
    for registry in ["registry.terraform.io", "registry.opentofu.org"] {
        let folder = mirror.path().join(registry).join("connectors/m365");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(&archive, folder.join(archive.file_name().unwrap())).unwrap();
    }
    every_cli(async |workspace, tenant| {
        let installation =
            format!("provider_installation {{\n  filesystem_mirror {{\n    path = {:?}\n  }}\n}}\n", mirror.path());
        std::fs::write(workspace.folder().join("cli.tfrc"), installation).unwrap();
        let head = format!(
            "terraform {{\n  required_providers {{\n    m365 = {{\n      source  = \"connectors/m365\"\n      version = \"{VERSION}\"\n    }}\n  }}\n}}\n"
        );
        let connector = "resource \"m365_connector_app\" \"x\" {\n  profile = \"md-eco-m365-defender\"\n}\n";
        workspace.write(&format!("{head}{BLOCK}{connector}")).unwrap();
        workspace.run(&["init", "-no-color", "-input=false"]).await.unwrap().expect(0).unwrap();
        let lock = std::fs::read_to_string(workspace.folder().join(".terraform.lock.hcl")).unwrap();
        assert!(lock.contains("connectors/m365\"") && lock.contains(&format!("\"{VERSION}\"")), "{lock}");
        assert!(lock.contains("\"h1:"), "{lock}");

        let applied = workspace.apply(&[]).await.unwrap();
        assert!(!applied.contains("development overrides"), "{applied}");
        assert_eq!(tenant.applications().await.len(), 1);
        assert_no_change(&workspace).await;

        // What was locked is what is installed, by its hash.
        let again = workspace.run(&["init", "-no-color", "-input=false", "-lockfile=readonly"]).await.unwrap();
        again.expect(0).unwrap();
        let hash = regex::Regex::new("\"h1:[^\"]+\"").unwrap();
        let forged = hash.replace(&lock, format!("\"h1:{}=\"", "A".repeat(43)));
        std::fs::write(workspace.folder().join(".terraform.lock.hcl"), forged.as_ref()).unwrap();
        std::fs::remove_dir_all(workspace.folder().join(".terraform")).unwrap();
        let refused = workspace.run(&["init", "-no-color", "-input=false"]).await.unwrap().expect(1).unwrap();
        assert!(refused.contains("checksums"), "{refused}");
        std::fs::write(workspace.folder().join(".terraform.lock.hcl"), lock).unwrap();
        workspace.run(&["init", "-no-color", "-input=false"]).await.unwrap().expect(0).unwrap();
        workspace.apply(&["-destroy"]).await.unwrap();
        assert_eq!(tenant.applications().await.len(), 0);
    })
    .await;
}
