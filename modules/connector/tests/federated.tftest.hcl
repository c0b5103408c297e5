provider "m365" {
  environment = "sandbox"
}

variables {
  unique_name = "siem-federated"
  profile     = "threatdefence-ms365"
  credential  = "federated"
}

run "without_an_issuer" {
  command         = plan
  expect_failures = [m365_connector_app.this]
}

run "made" {
  variables {
    federated = {
      name    = "collector"
      issuer  = "https://issuer.example.com"
      subject = "collector"
    }
  }
  assert {
    condition     = output.secret == null && output.certificate_key_id == null && output.consent_complete
    error_message = "Nobody has to keep anything secret."
  }
}
