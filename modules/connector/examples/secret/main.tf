# The vendor signs in with a secret, which only the vendor can read.
module "siem" {
  source = "../.."

  profile   = "threatdefence-graph"
  features  = ["intune"]
  recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
}

output "for_the_vendor" {
  value = merge(module.siem.outputs, { encrypted_secret = module.siem.encrypted_secret })
}
