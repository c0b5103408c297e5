# MD.ECO's connector to Microsoft 365 Defender, as its document lists it.
# `environment = "sandbox"` is the simulated tenant; leave it out, and give `tenant_id`, `client_id` and `client_secret`, for a real one.
terraform {
  required_providers {
    m365 = {
      source = "connectors/m365"
    }
  }
}

provider "m365" {
  environment = "sandbox"
}

resource "m365_connector_app" "md_eco" {
  profile = "md-eco-m365-defender"
}

resource "m365_connector_permission_set" "md_eco" {
  application_id = m365_connector_app.md_eco.id
  profile        = "md-eco-m365-defender"
  # features     = ["remediation"]
}

resource "m365_admin_consent" "md_eco" {
  service_principal_id = m365_connector_app.md_eco.service_principal_id
  permissions          = m365_connector_permission_set.md_eco.permissions
}

output "client_id" {
  description = "Application (client) id, for the vendor."
  value       = m365_connector_app.md_eco.client_id
}
