//! Who is in the story: the connectors, what is done to them, and the colours in which it is told.

use anstyle::{AnsiColor, Style};

/// The connectors that the configuration makes applications for.
pub(super) const PROFILES: [&str; 5] = [
    "securends-office365",
    "md-eco-m365-defender",
    "md-eco-m365-defender-remediation",
    "threatdefence-ms365",
    "threatdefence-graph",
];
/// Whose grants are tampered with, and whose plan is shown.
pub(super) const VICTIM: &str = "md-eco-m365-defender";
/// What an attacker grants, and what somebody revokes by mistake.
pub(super) const PLANTED: &str = "microsoft_graph/application/Mail.Read";
pub(super) const REVOKED: &str = "windows_defender_atp/application/Machine.Read.All";
/// Whose sign-ins an attacker would have, and where.
pub(super) const LURED: &str = "securends-office365";
pub(super) const PLANTED_URI: &str = "https://securends.example.attacker.test/callback";

pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default();
pub(super) const CHANGED: Style = AnsiColor::Yellow.on_default();
pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();

/// How a look at the tenant is expected to end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    Right,
    Wrong,
}
