resource "m365_admin_consent" "siem" {
  service_principal_id = m365_connector_app.siem.service_principal_id
  permissions          = m365_connector_permission_set.siem.permissions
}
