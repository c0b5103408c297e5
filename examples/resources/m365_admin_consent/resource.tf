resource "m365_admin_consent" "siem" {
  service_principal_id = m365_connector_app.siem.service_principal_id
  permissions          = m365_connector_permission_set.siem.permissions

  # Somebody granted this by hand for an investigation. Until the end of that day it is no drift.
  exceptions = {
    "microsoft_graph/application/Mail.Read" = {
      until  = "2027-01-31"
      reason = "Investigation INC-4711"
    }
  }
}
