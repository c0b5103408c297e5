# The catalogue's ids, without a request.
data "m365_api_permissions" "graph" {
  api = "microsoft_graph"
}

# What the tenant itself offers: any API, by its client id, in any cloud.
data "m365_api_permissions" "defender" {
  api  = "fc780465-2017-40d4-a0c5-307022471b92"
  live = true
}

output "audit_log_role" {
  value = data.m365_api_permissions.graph.application["AuditLog.Read.All"]
}
