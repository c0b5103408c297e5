# Without `client_id` it is the system-assigned identity.
provider "m365" {
  tenant_id = "contoso.onmicrosoft.com"
  client_id = "11111111-2222-3333-4444-555555555555"
  use_msi   = true
}
