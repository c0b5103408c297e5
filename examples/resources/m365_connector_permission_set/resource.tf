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
