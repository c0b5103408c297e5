data "m365_tenant" "this" {}

output "tenant" {
  value = "${data.m365_tenant.this.display_name} (${data.m365_tenant.this.default_domain})"
}
