provider "m365" {
  environment = "sandbox"
}

variables {
  unique_name = "siem-encrypted"
  profile     = "threatdefence-ms365"
  recipient   = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
}

run "made" {
  assert {
    condition     = output.secret == null && startswith(output.encrypted_secret, "-----BEGIN AGE ENCRYPTED FILE-----")
    error_message = "Only the recipient can read the secret."
  }
  assert {
    condition     = output.consent_complete
    error_message = "Everything is granted."
  }
}
