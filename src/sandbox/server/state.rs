//! The simulated cloud in a file: read at the start, and replaced as a whole whenever something has changed, so that a crash leaves the
//! last state or the one before, and never half of one.

use crate::sandbox::seed;
use crate::sandbox::store::{Tenant, World};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

const FORMAT: &str = "m365-sandbox";
/// Raised when a state of before can no longer be read as it is meant.
const VERSION: u32 = 1;

/// Why a state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be read or written.
    #[error("{}: {why}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
    /// It is something else.
    #[error("{} is no state of a sandbox: {why}. Name another file; one that does not exist is made.", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        why: String,
    },
    /// Another version of this program wrote it.
    #[error("{} has version {found} of the sandbox's state, and this program reads version {VERSION}. Delete the file to begin anew, or use the program that wrote it.", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
}

#[derive(Serialize)]
struct Saving<'a> {
    format: &'a str,
    version: u32,
    offset_milliseconds: i64,
    signing_key: &'a str,
    page_size: usize,
    tenants: &'a BTreeMap<String, Tenant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    #[serde(rename = "format")]
    _format: String,
    #[serde(rename = "version")]
    _version: u32,
    offset_milliseconds: i64,
    signing_key: String,
    page_size: usize,
    tenants: BTreeMap<String, Tenant>,
}

/// What every version begins with.
#[derive(Deserialize)]
struct Kind {
    format: String,
    version: u32,
}

/// The world that `path` holds; a new one where there is no such file.
pub(super) fn load(path: &Path) -> Result<World, StateError> {
    let shape = |why: String| StateError::Shape { path: path.to_owned(), why };
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(World::new(seed::tenant)),
        Err(why) => return Err(StateError::Io { path: path.to_owned(), why }),
    };
    let kind: Kind = serde_json::from_slice(&text).map_err(|why| shape(why.to_string()))?;
    if kind.format != FORMAT {
        return Err(shape(format!("its format is \"{}\"", kind.format)));
    }
    if kind.version != VERSION {
        return Err(StateError::Version { path: path.to_owned(), found: kind.version });
    }
    let saved: Saved = serde_json::from_slice(&text).map_err(|why| shape(why.to_string()))?;
    let mut world = World::new(seed::tenant);
    world.set_offset(saved.offset_milliseconds);
    world.signing_key = saved.signing_key;
    world.page_size = saved.page_size;
    world.tenants = saved.tenants;
    Ok(world)
}

/// Replaces the file.
pub(super) fn save(path: &Path, world: &World) -> Result<(), StateError> {
    let failed = |why: std::io::Error| StateError::Io { path: path.to_owned(), why };
    let saving = Saving {
        format: FORMAT,
        version: VERSION,
        offset_milliseconds: world.offset(),
        signing_key: &world.signing_key,
        page_size: world.page_size,
        tenants: &world.tenants,
    };
    let text = serde_json::to_vec(&saving).map_err(|why| failed(why.into()))?;
    // In the same folder, since only there a rename replaces the file in one step.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(&text).map_err(failed)?;
    file.persist(path).map_err(|why| failed(why.error))?;
    Ok(())
}
