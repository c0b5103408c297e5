variable "certificate_password" {
  type      = string
  sensitive = true
}

provider "m365" {
  tenant_id                   = "contoso.onmicrosoft.com"
  client_id                   = "11111111-2222-3333-4444-555555555555"
  client_certificate_path     = "/run/secrets/m365.pfx"
  client_certificate_password = var.certificate_password
}
