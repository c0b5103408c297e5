provider "m365" {
  environment = "sandbox"
}

variables {
  unique_name = "siem-none"
  profile     = "threatdefence-ms365"
  credential  = "none"
  exclusive   = false
}

run "a_recipient_of_nothing" {
  command = plan
  variables {
    recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
  }
  expect_failures = [m365_connector_app.this]
}

run "no_such_credential" {
  command = plan
  variables {
    credential = "password"
  }
  expect_failures = [var.credential]
}

run "made" {
  assert {
    condition     = output.secret == null && output.certificate_key_id == null && output.consent_complete
    error_message = "An application with its consent, and nothing that signs in."
  }
}
