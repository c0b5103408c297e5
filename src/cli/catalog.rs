//! `catalog`: connectors and permissions that the binary carries.

mod check;
mod diff;
mod hcl;
mod list;
mod sarif;
mod show;
mod text;

pub(super) use hcl::hcl;
pub(super) use list::{kind, sum};
pub(super) use show::{parts, rating, roles};

use super::print;
use crate::catalog::{Catalog, schema};
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::ExitCode;

/// What `check` with an error and `diff` with a difference end with.
const FOUND: u8 = 2;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// All connector profiles.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// One profile, all permissions of one API, one permission, or one directory role.
    Show {
        /// Slug of a profile (`md-eco-m365-defender`, `md-eco-m365-defender@1`), name of an API (`microsoft_graph`), permission key
        /// (`microsoft_graph/application/User.Read.All`), or key of a directory role (`directory/role/Global Reader`).
        name: String,
        #[command(flatten)]
        output: Output,
    },
    /// Checks profile files, or folders with such; without any the built-in profiles.
    Check {
        /// Files or folders, as in the provider's `catalog_paths`.
        paths: Vec<PathBuf>,
        #[command(flatten)]
        output: Output,
    },
    /// What one version of a profile asks for and another one does not.
    Diff {
        /// Slug with version, such as `contoso-siem@1`.
        from: String,
        /// The other one, such as `contoso-siem@2`.
        to: String,
        #[command(flatten)]
        output: Output,
    },
    /// The JSON Schema of a profile file, for editors.
    Schema,
}

#[derive(clap::Args)]
pub(super) struct Output {
    /// How the answer is written; `sarif` only by `check`.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Short for `--format json`.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For code review: static analysis results, version 2.1.0.
    Sarif,
}

impl Output {
    fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }

    /// Writes the answer for people or for programs. Fails where the format is for `check` only.
    fn write(&self, table: impl FnOnce(usize) -> String, json: impl FnOnce() -> serde_json::Value) -> Result<()> {
        match self.format() {
            Format::Table => print(table(text::width()).trim_end()),
            Format::Json => print(&serde_json::to_string_pretty(&json())?),
            Format::Sarif => bail!("only `catalog check` writes SARIF"),
        }
        Ok(())
    }
}

pub(super) fn run(command: &Command) -> Result<ExitCode> {
    let catalog = Catalog::built_in();
    match command {
        Command::Schema => print(&serde_json::to_string_pretty(&schema())?),
        Command::List { output } => list::run(catalog, output)?,
        Command::Show { name, output } => show::run(catalog, name, output)?,
        Command::Check { paths, output } => return check::run(paths, output),
        Command::Diff { from, to, output } => return diff::run(catalog, from, to, output),
    }
    Ok(ExitCode::SUCCESS)
}
