//! What only we remember, as bytes beside a state or a plan.

use crate::framework::diagnostic::{Diagnostic, Result};
use crate::framework::resource::Resource;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The bytes stored beside a state.
#[derive(Serialize, Deserialize, Default)]
struct Envelope<P> {
    /// The state holds nothing but an import's identity.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    imported: bool,
    /// Which plan wrote this; absent beside a state. The CLI hands it to the second plan of a replacement, and to the delete of the
    /// replaced object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    planned: Option<Planned>,
    /// Version of the resource's schema by which it was written.
    #[serde(default, skip_serializing_if = "is_zero")]
    version: i64,
    #[serde(default)]
    private: P,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(version: &i64) -> bool {
    *version == 0
}

/// Which plan wrote the private data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Planned {
    /// A create that is planned for the first time: of a new object, or in place of a tainted one, of which the CLI tells the
    /// provider nothing while planning.
    Create,
    /// A change of an existing object, perhaps the first plan of its replacement.
    Change,
    /// The second plan of a replacement.
    Replacement,
}

/// What the bytes said.
pub(super) struct Private<P> {
    pub imported: bool,
    pub planned: Option<Planned>,
    pub value: P,
    /// Why nothing is remembered, where that is a loss: of our own notes, never of an object. It must not keep anybody from
    /// refreshing or destroying one.
    pub lost: Option<Diagnostic>,
}

/// Beside the state that an import makes.
pub(super) fn imported() -> Vec<u8> {
    br#"{"imported":true}"#.to_vec()
}

pub(super) fn open<R: Resource>(bytes: &[u8]) -> Private<R::Private> {
    match parse::<R>(bytes) {
        Ok(private) => private,
        Err(why) => {
            let lost = Diagnostic::warning(format!("What was remembered of this {} cannot be read", R::NAME))
                .help(format!("The private data beside its state do not fit: {why}."))
                .help("The provider goes on as if it had observed the object for the first time, and takes nothing for its own that only they could tell.");
            Private { imported: false, planned: None, value: R::Private::default(), lost: Some(lost) }
        }
    }
}

fn parse<R: Resource>(bytes: &[u8]) -> std::result::Result<Private<R::Private>, String> {
    if bytes.is_empty() {
        return Ok(Private { imported: false, planned: None, value: R::Private::default(), lost: None });
    }
    let stored: Envelope<Option<Json>> = serde_json::from_slice(bytes).map_err(|why| why.to_string())?;
    let value = match stored.private {
        None => R::Private::default(),
        Some(value) => {
            let value = if stored.version < R::VERSION { R::upgrade_private(stored.version, value)? } else { value };
            serde_json::from_value(value).map_err(|why| why.to_string())?
        }
    };
    Ok(Private { imported: stored.imported, planned: stored.planned, value, lost: None })
}

pub(super) fn seal<R: Resource>(planned: Option<Planned>, private: &R::Private) -> Result<Vec<u8>> {
    serde_json::to_vec(&Envelope { imported: false, planned, version: R::VERSION, private })
        .map_err(|why| Diagnostic::bug(format!("private data: {why}")).into())
}
