provider "m365" {
  tenant_id               = "contoso.onmicrosoft.com"
  client_id               = "11111111-2222-3333-4444-555555555555"
  client_secret_file_path = "/run/secrets/m365"
}
