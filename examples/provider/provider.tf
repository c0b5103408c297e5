terraform {
  required_providers {
    m365 = {
      source = "connectors/m365"
    }
  }
}

provider "m365" {
  tenant_id = "contoso.onmicrosoft.com"
  client_id = "11111111-2222-3333-4444-555555555555"
  # The secret comes from the variable M365_CLIENT_SECRET.
}
