# One connector, its state in the GitLab project. Tenant and identity come from the pipeline's variables.
terraform {
  required_providers {
    m365 = {
      source  = "connectors/m365"
      version = "~> 0.1"
    }
  }

  backend "http" {}
}

provider "m365" {
  use_oidc = true
}

resource "m365_connector_app" "md_eco" {
  profile = "md-eco-m365-defender"
}

resource "m365_connector_permission_set" "md_eco" {
  application_id = m365_connector_app.md_eco.id
  profile        = "md-eco-m365-defender"
}

resource "m365_admin_consent" "md_eco" {
  service_principal_id = m365_connector_app.md_eco.service_principal_id
  permissions          = m365_connector_permission_set.md_eco.permissions
}
