provider "m365" {
  environment = "sandbox"
}

variables {
  profile      = "threatdefence-ms365"
  features     = ["dlp"]
  unique_name  = "siem-certificate"
  display_name = "SIEM with a certificate"
  credential   = "certificate"
}

run "without_a_certificate" {
  command         = plan
  expect_failures = [m365_connector_app.this]
}

run "made" {
  variables {
    certificate = file("tests/siem.pem")
  }
  assert {
    condition     = output.certificate_key_id != null && output.secret == null
    error_message = "There is a certificate, and no secret."
  }
  assert {
    condition     = output.consent_complete && length(output.consent_status) == 2
    error_message = "Both permissions are granted."
  }
}
