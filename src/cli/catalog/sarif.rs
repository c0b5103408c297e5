//! Findings as SARIF. Source: OASIS, "Static Analysis Results Interchange Format", version 2.1.0.

use crate::catalog::checks::{Located, Severity, Sort};
use serde_json::{Value, json};

pub(super) fn log(found: &[Located]) -> Value {
    let rules = Sort::ALL.iter().map(|sort| json!({ "id": sort.name, "shortDescription": { "text": sort.meaning } }));
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "terraform-provider-m365 catalog check",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": found.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

fn result(one: &Located) -> Value {
    json!({
        "ruleId": one.finding.sort.name,
        "level": if one.finding.sort.severity == Severity::Error { "error" } else { "warning" },
        "message": { "text": one.finding.message },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": one.file.replace('\\', "/") },
            "region": { "startLine": one.line, "startColumn": one.column },
        } }],
    })
}
