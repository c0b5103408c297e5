# All five documented systems in one tenant. Four of them have applications of their own; MD.ECO has two, as its document allows.
# Defense.com adds permissions to an application that its own base integration made: that one is only looked up.
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

variable "defense_com_client_id" {
  description = "Client id that the Defense.com portal shows under Manage Integration."
  type        = string
}

variable "connectors" {
  description = "Connectors with applications of their own, by profile, with the features to switch on."
  type        = map(set(string))
  default = {
    "securends-office365"              = []
    "md-eco-m365-defender"             = []
    "md-eco-m365-defender-remediation" = []
    "threatdefence-ms365"              = []
    "threatdefence-graph"              = []
  }
}

resource "m365_connector_app" "this" {
  for_each = var.connectors

  profile = each.key
}

resource "m365_connector_permission_set" "this" {
  for_each = var.connectors

  application_id = m365_connector_app.this[each.key].id
  profile        = each.key
  features       = each.value
}

resource "m365_admin_consent" "this" {
  for_each = var.connectors

  service_principal_id = m365_connector_app.this[each.key].service_principal_id
  permissions          = m365_connector_permission_set.this[each.key].permissions
}

# An application of somebody else's keeps what it has: `exclusive = false` adds to it, and takes away no more than it added.
data "m365_connector_app" "defense_com" {
  client_id = var.defense_com_client_id
}

resource "m365_connector_permission_set" "defense_com" {
  application_id = data.m365_connector_app.defense_com.id
  profile        = "defense-com-users"
  exclusive      = false
}

resource "m365_admin_consent" "defense_com" {
  service_principal_id = data.m365_connector_app.defense_com.service_principal_id
  permissions          = m365_connector_permission_set.defense_com.permissions
  exclusive            = false
}

output "client_ids" {
  description = "Application (client) id of each connector, for its vendor."
  value       = { for profile, app in m365_connector_app.this : profile => app.client_id }
}
