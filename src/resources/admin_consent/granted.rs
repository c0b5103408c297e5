//! What a service principal has been granted for everybody, entry by entry, and what of it a replica does not show yet.

use crate::catalog::Kind;
use crate::framework::Result;
use crate::graph::{View, Writes};
use crate::provider::permissions::Granted;
use crate::provider::{Cx, Tenant};
use crate::resources::permissions::{Names, PermissionId};
use crate::resources::stale::shown_by;
use std::collections::BTreeSet;

/// An application permission, as an entry of a [`View`].
const ROLE: &str = "grant:";
/// A delegated permission.
const SCOPE: &str = "scope:";

/// That the principal is there.
pub(super) const PRINCIPAL: &str = "principal";

/// Entry by entry.
pub(super) fn view(granted: &Granted) -> View {
    let each = granted.permissions();
    let each = each.iter().map(|one| (entry(one), true.into()));
    each.chain([(PRINCIPAL.to_owned(), true.into())]).collect()
}

/// Name of a permission's entry.
pub(super) fn entry(permission: &PermissionId) -> String {
    let prefix = if permission.kind() == Kind::Application { ROLE } else { SCOPE };
    format!("{prefix}{permission}")
}

/// What is granted in fact: what a replica does not show yet of our own writes is as we wrote it.
pub(super) fn overlaid(
    mut permissions: BTreeSet<PermissionId>,
    stale: &BTreeSet<String>,
    writes: &Writes,
) -> BTreeSet<PermissionId> {
    let both = [ROLE, SCOPE].into_iter().flat_map(|prefix| shown_by::<PermissionId>(prefix, stale, writes));
    for (permission, is_there) in both {
        match is_there {
            true => permissions.insert(permission),
            false => permissions.remove(&permission),
        };
    }
    permissions
}

/// What a read of the principal can find.
pub(super) enum Seen {
    Granted(Granted),
    /// Nothing is granted to it; restored under its former id, it is granted to again.
    Deleted,
    Nothing,
}

impl Seen {
    pub(super) async fn read(tenant: &Tenant, client: &str, names: &Names<'_>, cx: &Cx) -> Result<Self> {
        match Granted::read(tenant, client, &mut names.clone(), cx).await? {
            Some(granted) => Ok(Self::Granted(granted)),
            None if tenant.graph.deleted_service_principal(client).await?.is_some() => Ok(Self::Deleted),
            None => Ok(Self::Nothing),
        }
    }

    /// Entry by entry. A deleted principal looks like nothing that was there before: it is no sign of a replica that lags.
    pub(super) fn view(&self, writes: &Writes) -> View {
        match self {
            Self::Granted(granted) => view(granted),
            Self::Deleted => writes.names().map(|name| (name.to_owned(), "deleted".into())).collect(),
            Self::Nothing => View::new(),
        }
    }
}
