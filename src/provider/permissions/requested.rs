//! What an application asks for, as Graph shows it.

use super::names::PermissionId;
use crate::catalog::Kind;
use crate::graph::{Application, RequiredResourceAccess, ResourceAccess};
use std::collections::BTreeSet;

/// Every permission that an application asks for.
pub(crate) fn requested(app: &Application) -> BTreeSet<PermissionId> {
    let of_api = |api: &RequiredResourceAccess| {
        let app_id = api.resource_app_id.clone();
        api.resource_access.iter().map(move |access| meant(&app_id, access)).collect::<Vec<_>>()
    };
    app.required_resource_access.iter().flat_map(of_api).collect()
}

/// One of them.
pub(crate) fn meant(app_id: &str, access: &ResourceAccess) -> PermissionId {
    let kind = if access.kind.eq_ignore_ascii_case("Scope") { Kind::Delegated } else { Kind::Application };
    PermissionId::of(app_id, kind, &access.id)
}
