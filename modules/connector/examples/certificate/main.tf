variable "siem_certificate" {
  description = "Public part of the vendor's certificate, in PEM."
  type        = string
}

# The vendor signs in with a certificate: no secret exists anywhere.
module "siem" {
  source = "../.."

  profile     = "threatdefence-ms365"
  features    = ["dlp"]
  credential  = "certificate"
  certificate = var.siem_certificate
}
