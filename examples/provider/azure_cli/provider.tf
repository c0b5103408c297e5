provider "m365" {
  tenant_id = "contoso.onmicrosoft.com"
  use_cli   = true
}
