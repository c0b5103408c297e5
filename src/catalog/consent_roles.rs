//! Directory roles that may consent for the whole tenant, by what is consented to.

use super::{Kind, PermissionKey};

/// Application permissions of these can be consented to by two roles only. Source: Microsoft Entra, "Grant tenant-wide admin consent".
pub(super) const PROTECTED: [&str; 2] = ["microsoft_graph", "windows_azure_active_directory"];
pub(super) const MAY_CONSENT_TO_ALL: [&str; 2] = ["Privileged Role Administrator", "Global Administrator"];
pub(super) const MAY_CONSENT_TO_OTHERS: [&str; 2] = ["Application Administrator", "Cloud Application Administrator"];

/// Roles of which one may consent to these permissions, where the document names none.
pub(super) fn consent_roles<'a>(keys: impl IntoIterator<Item = &'a PermissionKey>) -> Vec<String> {
    let graph = keys.into_iter().any(|key| key.kind == Kind::Application && PROTECTED.contains(&key.api.as_str()));
    let others = MAY_CONSENT_TO_OTHERS.iter().filter(|_| !graph);
    others.chain(&MAY_CONSENT_TO_ALL).map(|name| (*name).to_owned()).collect()
}
