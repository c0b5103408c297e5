# An application that a vendor's own installer made.
data "m365_connector_app" "vendor" {
  display_name = "Contoso SIEM"
}

output "secrets_and_certificates" {
  value = {
    for id, one in data.m365_connector_app.vendor.credentials : id => "${one.kind}, ends ${one.end_date_time}"
    if one.end_date_time != null
  }
}
