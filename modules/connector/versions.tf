terraform {
  # With `test` and conditions that name other variables.
  required_version = ">= 1.8"

  required_providers {
    m365 = { source = "connectors/m365" }
  }
}
