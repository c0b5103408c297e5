# A tool of one's own in GitHub Actions signs in with the tokens that GitHub issues.
module "assessment" {
  source = "../.."

  profile    = "maester"
  credential = "federated"
  federated = {
    name    = "github"
    issuer  = "https://token.actions.githubusercontent.com"
    subject = "repo:contoso/assessment:ref:refs/heads/main"
  }
}

# Stops here where the tenant shows anything else than what was declared.
output "client_id" {
  value = module.assessment.client_id

  precondition {
    condition     = module.assessment.consent_complete
    error_message = "Not every permission is granted: see consent_status."
  }
}
