variable "siem_client_secret" {
  type      = string
  sensitive = true
  ephemeral = true
}

# Signs in as the vendor will, once the consent is there: a run fails before the vendor does.
ephemeral "m365_connector_token" "siem" {
  client_id     = m365_connector_app.siem.client_id
  client_secret = var.siem_client_secret
  depends_on    = [m365_admin_consent.siem]

  lifecycle {
    postcondition {
      condition     = contains(self.roles, "AuditLog.Read.All")
      error_message = "The vendor would get in, but could not read the audit log."
    }
  }
}

# A token carries the roles of one API: a second API is a second sign-in.
ephemeral "m365_connector_token" "siem_defender" {
  client_id     = m365_connector_app.siem.client_id
  client_secret = var.siem_client_secret
  api           = "windows_defender_atp"
  depends_on    = [m365_admin_consent.siem]
}
