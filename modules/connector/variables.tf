variable "profile" {
  description = "Connector profile, such as `md-eco-m365-defender` or `md-eco-m365-defender@1`."
  type        = string
}

variable "features" {
  description = "Features of the profile to switch on."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "include_optional" {
  description = "Whether to ask also for what the vendor's document marks as optional outside any feature."
  type        = bool
  default     = false
  nullable    = false
}

variable "unique_name" {
  description = "Key by which a repeated creation finds its own application again. The profile's name where not given."
  type        = string
  default     = null
}

variable "display_name" {
  description = "Name that administrators see. From the profile where not given."
  type        = string
  default     = null
}

variable "tenant_id" {
  description = "Tenant (GUID) of the connector. The provider's own where not given."
  type        = string
  default     = null
}

variable "credential" {
  description = "What the vendor signs in with: `secret`, `certificate`, `federated`, or `none`."
  type        = string
  default     = "secret"
  nullable    = false

  validation {
    condition     = contains(["secret", "certificate", "federated", "none"], var.credential)
    error_message = "A credential is \"secret\", \"certificate\", \"federated\" or \"none\"."
  }
}

variable "recipient" {
  description = "With `credential = \"secret\"`: age public key that the secret is encrypted to. Then neither state nor outputs have it in the clear."
  type        = string
  default     = null
}

variable "certificate" {
  description = "With `credential = \"certificate\"`: the vendor's certificate in PEM, the public part only."
  type        = string
  default     = null
}

variable "federated" {
  description = "With `credential = \"federated\"`: whose tokens the vendor signs in with."
  type = object({
    name      = string
    issuer    = string
    subject   = string
    audiences = optional(set(string))
  })
  default = null
}

variable "exclusive" {
  description = "Whether the profile's permissions are all that the application may ask for and be granted."
  type        = bool
  default     = true
  nullable    = false
}

variable "exceptions" {
  description = "Grants beyond the profile that are tolerated until the end of a day: permission key → last day and reason."
  type        = map(object({ until = string, reason = string }))
  default     = null
}

variable "acknowledge" {
  description = "Why a critical permission is asked for and granted all the same: permission key → reason."
  type        = map(string)
  default     = null
}

variable "on_existing" {
  description = "What to do when another application already has the `unique_name`: `error`, `adopt`, or `adopt_ours`, which adopts only one that this provider made."
  type        = string
  default     = "adopt_ours"
  nullable    = false
}
