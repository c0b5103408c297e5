variable "client_id" {
  type    = string
  default = "11111111-2222-3333-4444-555555555555"
}

output "ask_the_administrator" {
  value = provider::m365::admin_consent_url("contoso.onmicrosoft.com", var.client_id)
}

output "in_another_cloud" {
  value = provider::m365::admin_consent_url("contoso.onmicrosoft.us", var.client_id, "usgovernment")
}
