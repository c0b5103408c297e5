//! A connector's configuration, to copy.

use crate::catalog::{Existing, ProfileKind, ProfileVersion};

/// A configuration of the connector, to copy.
pub(in crate::cli) fn hcl(one: &ProfileVersion) -> String {
    let label = one.slug.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
    if one.profile.kind == ProfileKind::VendorApp {
        return vendor_app(one, &label);
    }
    let name = match one.app.existing {
        Existing::Required => "  display_name = \"Name of the application\"\n",
        _ => "",
    };
    let redirects = match one.app.variables().is_empty() {
        true => String::new(),
        false => {
            let uris: Vec<_> = one.app.web_redirect_uris.iter().map(|uri| format!("{uri:?}")).collect();
            format!(
                "\n  # Put your own values for what stands in braces.\n  web_redirect_uris = [{}]\n",
                uris.join(", ")
            )
        }
    };
    let features = features(one);
    let shared = if one.app.existing == Existing::Required { "  exclusive      = false\n" } else { "" };
    format!(
        "resource \"m365_connector_app\" \"{label}\" {{\n  profile = \"{slug}\"\n{name}{redirects}}}\n\n\
         resource \"m365_connector_permission_set\" \"{label}\" {{\n  application_id = m365_connector_app.{label}.id\n  \
         profile        = \"{slug}\"\n{features}{shared}}}\n\n\
         resource \"m365_admin_consent\" \"{label}\" {{\n  service_principal_id = m365_connector_app.{label}.service_principal_id\n  \
         permissions          = m365_connector_permission_set.{label}.permissions\n}}\n",
        slug = one.slug,
    )
}

/// The vendor's application is in the tenant once somebody has signed in to it or consented.
fn vendor_app(one: &ProfileVersion, label: &str) -> String {
    let features = features(one).replace("      ", "");
    format!(
        "data \"m365_connector_profile\" \"{label}\" {{\n  profile = \"{slug}\"\n{features}}}\n\n\
         resource \"m365_admin_consent\" \"{label}\" {{\n  service_principal_id = var.service_principal_id # of the vendor's application\n  \
         permissions          = data.m365_connector_profile.{label}.permissions\n}}\n",
        slug = one.slug,
    )
}

/// The line of features: all of them, to choose from.
fn features(one: &ProfileVersion) -> String {
    let names: Vec<_> = one.features().keys().map(|name| format!("\"{name}\"")).collect();
    if names.is_empty() { String::new() } else { format!("  features       = [{}]\n", names.join(", ")) }
}
