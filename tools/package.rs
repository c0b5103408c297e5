//! The files of a release as the registries want them, unsigned: the archive of one platform, the manifest, SHA256SUMS.
//!
//! ```sh
//! cargo build --release && cargo run --example package
//! ```
//!
//! Called once per platform with the same `--out` it adds archives; SHA256SUMS always covers all of them. The same input gives the same
//! bytes. Source: Terraform Registry, "Publishing Providers", "Preparing and Adding a Release Manually".
#![allow(clippy::print_stdout, dead_code, reason = "prints what it made; the tests use all but `main`")]

use anyhow::{Context, Result};
use clap::Parser;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const MANIFEST: &str = include_str!("../terraform-registry-manifest.json");

#[derive(Parser)]
struct Arguments {
    /// The provider that was built.
    #[arg(long, default_value = "target/release/terraform-provider-m365")]
    binary: PathBuf,
    /// The platform's system in Go's words: linux, darwin or windows. This machine's where not given.
    #[arg(long, default_value = system())]
    os: String,
    /// The platform's processor in Go's words: amd64 or arm64. This machine's where not given.
    #[arg(long, default_value = processor())]
    arch: String,
    /// Make only manifest and SHA256SUMS, for the archives that are there.
    #[arg(long)]
    sums_only: bool,
    /// Folder for the files.
    #[arg(long, default_value = "target/dist")]
    out: PathBuf,
}

/// The registries use Go's names.
pub fn system() -> &'static str {
    if std::env::consts::OS == "macos" { "darwin" } else { std::env::consts::OS }
}

/// Likewise.
pub fn processor() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn stem() -> String {
    format!("terraform-provider-m365_{VERSION}")
}

/// Packs the provider for a platform. A fixed time and mode, or the same input would give other bytes, and lock files another hash.
pub fn archive(binary: &Path, os: &str, arch: &str, out: &Path) -> Result<PathBuf> {
    let content = std::fs::read(binary).with_context(|| format!("{} cannot be read", binary.display()))?;
    std::fs::create_dir_all(out).with_context(|| format!("{} cannot be made", out.display()))?;
    let path = out.join(format!("{}_{os}_{arch}.zip", stem()));
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path)?);
    let options = SimpleFileOptions::default().unix_permissions(0o755).last_modified_time(zip::DateTime::default());
    let suffix = if os == "windows" { ".exe" } else { "" };
    zip.start_file(format!("terraform-provider-m365_v{VERSION}{suffix}"), options)?;
    zip.write_all(&content)?;
    zip.finish()?;
    Ok(path)
}

/// Writes the manifest and the sums of everything in the folder.
pub fn sums(out: &Path) -> Result<()> {
    std::fs::write(out.join(format!("{}_manifest.json", stem())), MANIFEST)?;
    let mut names: Vec<String> =
        std::fs::read_dir(out)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.retain(|name| name.starts_with(&stem()) && !name.ends_with("_SHA256SUMS"));
    names.sort();
    let mut text = String::new();
    for name in names {
        writeln!(text, "{}  {name}", sha256(&std::fs::read(out.join(&name))?))?;
    }
    Ok(std::fs::write(out.join(format!("{}_SHA256SUMS", stem())), text)?)
}

/// In hexadecimal digits.
pub fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").ok();
        text
    })
}

fn main() -> Result<()> {
    let given = Arguments::parse();
    if !given.sums_only {
        println!("{}", archive(&given.binary, &given.os, &given.arch, &given.out)?.display());
    }
    sums(&given.out)
}
