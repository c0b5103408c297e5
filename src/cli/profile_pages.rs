//! The pages of the connector profiles, made from the profiles: one for each, an index, and one of all critical permissions.

use crate::catalog::{Existing, ProfileKind, ProfileVersion};

/// A configuration of the connector, to copy.
pub(super) fn hcl(one: &ProfileVersion) -> String {
    let label = one.slug.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
    if one.profile.kind == ProfileKind::VendorApp {
        return vendor_app(one, &label);
    }
    let name = match one.app.existing {
        Existing::Required => "  display_name = \"Name of the application\"\n",
        _ => "",
    };
    let variables = one.app.variables();
    let variables = match variables.is_empty() {
        true => String::new(),
        false => {
            let lines: String = variables.iter().map(|name| format!("    {name} = \"…\"\n")).collect();
            format!("  variables = {{\n{lines}  }}\n")
        }
    };
    let features = features(one);
    let shared = if one.app.existing == Existing::Required { "  exclusive      = false\n" } else { "" };
    format!(
        "resource \"m365_connector_app\" \"{label}\" {{\n  profile = \"{slug}\"\n{name}{variables}}}\n\n\
         resource \"m365_connector_permission_set\" \"{label}\" {{\n  application_id = m365_connector_app.{label}.id\n  \
         profile        = \"{slug}\"\n{features}{shared}}}\n\n\
         resource \"m365_admin_consent\" \"{label}\" {{\n  service_principal_id = m365_connector_app.{label}.service_principal_id\n  \
         permissions          = m365_connector_permission_set.{label}.permissions\n}}\n",
        slug = one.slug,
    )
}

fn vendor_app(one: &ProfileVersion, label: &str) -> String {
    let client_id = match one.profile.client_id {
        Some(_) => String::new(),
        None => "  client_id = \"…\" # as the vendor's portal shows it\n".to_owned(),
    };
    let features = features(one).replace("      ", "");
    format!(
        "data \"m365_connector_profile\" \"{label}\" {{\n  profile = \"{slug}\"\n{features}}}\n\n\
         resource \"m365_vendor_app\" \"{label}\" {{\n  profile   = \"{slug}\"\n{client_id}}}\n\n\
         resource \"m365_admin_consent\" \"{label}\" {{\n  service_principal_id = m365_vendor_app.{label}.service_principal_id\n  \
         permissions          = data.m365_connector_profile.{label}.permissions\n}}\n",
        slug = one.slug,
    )
}

/// The line of features: all of them, to choose from.
fn features(one: &ProfileVersion) -> String {
    let names: Vec<_> = one.features().keys().map(|name| format!("\"{name}\"")).collect();
    if names.is_empty() { String::new() } else { format!("  features       = [{}]\n", names.join(", ")) }
}
