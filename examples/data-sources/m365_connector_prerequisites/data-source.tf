data "m365_connector_prerequisites" "siem" {
  profile  = "threatdefence-graph"
  features = ["intune"]
}

# Stops a roll-out to a tenant that lacks a licence, and says which.
resource "m365_connector_app" "siem" {
  profile = "threatdefence-graph"

  lifecycle {
    precondition {
      condition = alltrue([
        for one in values(data.m365_connector_prerequisites.siem.items) : one.status != "missing" if one.kind == "licence"
      ])
      error_message = join("\n", [
        for name, one in data.m365_connector_prerequisites.siem.items : "${name}: ${one.detail}"
        if one.kind == "licence" && one.status == "missing"
      ])
    }
  }
}
