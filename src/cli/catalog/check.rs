//! `catalog check`: what is wrong with profiles, for people, programs and code review.

use super::{FOUND, Format, Output, sarif, text};
use crate::catalog::checks::{Located, check_built_in, check_files};
use crate::cli::print;
use anyhow::Result;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

pub(super) fn run(paths: &[PathBuf], output: &Output) -> Result<ExitCode> {
    let (found, count) = if paths.is_empty() { check_built_in() } else { check_files(paths)? };
    match output.format() {
        Format::Table => print(table(&found, count, text::width()).trim_end()),
        Format::Json => print(&serde_json::to_string_pretty(&found.iter().map(object).collect::<Vec<_>>())?),
        Format::Sarif => print(&serde_json::to_string_pretty(&sarif::log(&found))?),
    }
    let failed = found.iter().any(Located::is_error);
    Ok(if failed { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
}

fn table(found: &[Located], count: usize, width: usize) -> String {
    let mut out = String::new();
    for one in found {
        let Located { file, line, column, finding } = one;
        out += &format!("{file}:{line}:{column}: {} ({})\n", finding.sort.severity, finding.sort);
        // A whole file that is to be written instead keeps its lines.
        match finding.message.split_once('\n') {
            Some((first, rest)) => out += &format!("{}{rest}\n", text::wrapped("  ", first, width)),
            None => out += &text::wrapped("  ", &finding.message, width),
        }
    }
    let errors = found.iter().filter(|one| one.is_error()).count();
    let profiles = if count == 1 { "1 profile".to_owned() } else { format!("{count} profiles") };
    out + &match (errors, found.len() - errors) {
        (0, 0) => format!("{profiles}: nothing found\n"),
        (errors, warnings) => format!("{profiles}: {errors} errors, {warnings} warnings\n"),
    }
}

fn object(one: &Located) -> Value {
    let finding = &one.finding;
    json!({
        "file": one.file,
        "line": one.line,
        "column": one.column,
        "kind": finding.sort.name,
        "severity": finding.sort.severity.to_string(),
        "subject": finding.subject,
        "message": finding.message,
        "suggestions": finding.suggestions,
    })
}
