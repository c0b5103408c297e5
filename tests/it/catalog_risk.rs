//! `catalog/risk.json` is what the checked-in sources, the rule and the decisions make of it.

#[path = "../../tools/risk.rs"]
mod risk;

use std::path::Path;

#[test]
fn the_table_of_risks_is_current() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let written = std::fs::read_to_string(repository.join("catalog/risk.json")).unwrap();
    let rebuilt = risk::rebuilt(repository).unwrap();
    let differs = written.lines().zip(rebuilt.lines()).find(|(old, new)| old != new);
    assert!(written == rebuilt, "{differs:?}: run `cargo run --example risk`");
}
