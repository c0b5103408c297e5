# The value cannot be imported: the next apply rotates the secret.
terraform import m365_connector_secret.siem 11111111-2222-3333-4444-555555555555/66666666-7777-8888-9999-000000000000
