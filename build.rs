//! Compiles the protocol texts, for which no `protoc` is needed, and lists the connector profiles.

use std::fmt::Write;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(["tfplugin6.proto", "goplugin.proto", "health.proto"], ["proto"])?;
    tonic_prost_build::configure().build_client(false).bytes(".").compile_fds(descriptors)?;
    profiles()
}

/// Slug and text of every file of `catalog/profiles`, so that a new one is only put there.
fn profiles() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=catalog/profiles");
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("catalog/profiles");
    let names = std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.path()));
    let mut files = names.collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|end| end == "toml"));
    files.sort();
    let mut out = "const FILES: &[(&str, &str)] = &[\n".to_owned();
    for path in files {
        let slug = path.file_stem().unwrap_or_default().to_string_lossy();
        writeln!(out, "    ({slug:?}, include_str!({path:?})),")?;
    }
    out += "];\n";
    Ok(std::fs::write(Path::new(&std::env::var("OUT_DIR")?).join("profiles.rs"), out)?)
}
