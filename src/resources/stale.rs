//! What a read does not show yet of our own writes.

use super::ownership::listed;
use crate::framework::Diagnostic;
use crate::graph::Writes;
use crate::provider::Cx;
use std::collections::BTreeSet;
use std::str::FromStr;

/// The stale entries whose names begin with `prefix`, by what follows it, each with whether it is there since our write.
pub(crate) fn shown_by<E: FromStr>(prefix: &str, stale: &BTreeSet<String>, writes: &Writes) -> Vec<(E, bool)> {
    let entry = |name: &String| Some((name.strip_prefix(prefix)?.parse().ok()?, writes.is_there(name)));
    stale.iter().filter_map(entry).collect()
}

/// Says what was waited for in vain. It was accepted, so the state holds it.
pub(crate) fn warn_of_stale(entries: &[String], cx: &Cx) {
    cx.warn(Diagnostic::warning("The directory does not show all of the last changes yet").help(format!(
        "They were accepted and stand; the state holds them, and the next refresh looks again:\n{}",
        listed(entries)
    )));
}
