# Permissions by API.
resource "m365_connector_permission_set" "siem" {
  application_id = m365_connector_app.siem.id
  apis = {
    microsoft_graph = {
      application = ["AuditLog.Read.All", "SecurityAlert.Read.All"]
    }
    office_365_management = {
      application = ["ActivityFeed.Read"]
    }
  }
}

# Permissions that a vendor documents.
resource "m365_connector_permission_set" "xdr" {
  application_id = m365_connector_app.xdr.id
  profile        = "md-eco-m365-defender"
  features       = ["remediation"]
}
