# After the consent: whether the vendor has what was declared, and nothing else.
data "m365_consent_status" "siem" {
  service_principal_id = m365_connector_app.siem.service_principal_id
  permissions          = m365_connector_permission_set.siem.permissions
  depends_on           = [m365_admin_consent.siem]

  lifecycle {
    postcondition {
      condition     = length(self.excess) == 0
      error_message = self.summary
    }
  }
}

# A vendor's own application, which lives in the vendor's tenant, held against the vendor's document.
data "m365_connector_app" "vendor" {
  display_name = "Contoso Backup"
}

data "m365_consent_status" "vendor" {
  service_principal_id = data.m365_connector_app.vendor.service_principal_id
  profile              = "avepoint-backup-express"
}

check "vendor_can_work" {
  assert {
    condition     = data.m365_consent_status.vendor.complete
    error_message = data.m365_consent_status.vendor.summary
  }
}
