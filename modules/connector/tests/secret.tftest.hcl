provider "m365" {
  environment = "sandbox"
}

variables {
  profile  = "threatdefence-graph"
  features = ["intune"]
}

run "made" {
  assert {
    condition     = output.consent_complete && length(output.consent_status) == 16
    error_message = "Sixteen permissions are declared, requested and granted."
  }
  assert {
    condition     = alltrue([for one in values(output.consent_status) : one.declared && one.requested && one.granted])
    error_message = "Each of them is."
  }
  assert {
    condition     = output.secret != null && output.encrypted_secret == null && output.certificate_key_id == null
    error_message = "There is a secret, and nothing else."
  }
  assert {
    condition     = output.outputs == { client_id = output.client_id, tenant_id = output.tenant_id, client_secret = null }
    error_message = "The vendor is told two ids; the secret goes another way."
  }
  assert {
    condition     = output.prerequisites["Intune"].status == "satisfied"
    error_message = "The sandbox has Intune."
  }
}

run "again_without_the_feature" {
  variables {
    features = []
  }
  assert {
    condition     = output.consent_complete && length(output.consent_status) == 13
    error_message = "What was granted for the feature is gone."
  }
}
