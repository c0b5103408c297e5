//! Provider functions, one file each: file name = function name. They know the built-in catalogue only, since they work without a
//! provider block.

pub mod admin_consent_url;
mod kind;
pub mod parse_permission_key;
pub mod permission_id;
pub mod permission_key;
pub mod profile_permissions;
