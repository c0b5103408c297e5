//! `catalog`: connectors and permissions that the binary carries.

use super::print;
use crate::catalog::{Catalog, Kind, schema};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// All connector profiles and APIs.
    List,
    /// One profile, or all permissions of one API.
    Show {
        /// Slug of a profile (`md-eco-m365-defender`) or name of an API (`microsoft_graph`).
        name: String,
    },
    /// Checks profile files of your own, or folders with such.
    Check {
        /// Files or folders, as in the provider's `catalog_paths`.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// The JSON Schema of a profile file, for editors.
    Schema,
}

pub(super) fn run(command: &Command) -> Result<()> {
    let catalog = Catalog::built_in();
    match command {
        Command::Schema => print(&serde_json::to_string_pretty(&schema())?),
        Command::List => {
            print("Profiles:");
            for profile in catalog.profiles() {
                print(&format!("  {:<40} {} {}", profile.slug, profile.vendor, profile.title));
            }
            print("APIs:");
            for api in catalog.api_keys().filter_map(|key| catalog.api(key)) {
                print(&format!("  {:<40} {} ({})", api.key, api.display_name, api.app_id));
            }
        }
        Command::Show { name } => show(catalog, name)?,
        Command::Check { paths } => check(paths)?,
    }
    Ok(())
}

fn check(paths: &[PathBuf]) -> Result<()> {
    match Catalog::with_paths(paths) {
        Ok(all) => {
            let count = all.slugs().count() - Catalog::built_in().slugs().count();
            print(&format!("{count} {} fine", if count == 1 { "profile is" } else { "profiles are" }));
            Ok(())
        }
        Err(found) => {
            let all: Vec<_> = found.iter().map(ToString::to_string).collect();
            bail!("{}", all.join("\n"))
        }
    }
}

fn show(catalog: &Catalog, name: &str) -> Result<()> {
    if let Some(profile) = catalog.profile(name).ok().map(|one| one.profile) {
        print(&toml::to_string_pretty(&profile).context("the profile cannot be shown")?);
        return Ok(());
    }
    let Some(api) = catalog.api(name) else {
        bail!("there is no profile and no API \"{name}\"; `catalog list` shows all")
    };
    print(&format!("{} ({})", api.display_name, api.app_id));
    for kind in [Kind::Application, Kind::Delegated] {
        for permission in api.permissions().filter(|one| one.kind == kind) {
            print(&format!("  {}  {}", permission.id, api.key_of(permission)));
        }
    }
    Ok(())
}
