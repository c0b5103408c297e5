//! What a reader of the document should know, although the profile can be used.

use super::Finding;
use crate::catalog::Catalog;
use crate::catalog::profiles::Profile;

pub(super) fn find(_profile: &Profile, _catalog: &Catalog) -> Vec<Finding> {
    Vec::new()
}
