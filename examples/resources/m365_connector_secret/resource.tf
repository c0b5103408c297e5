resource "m365_connector_secret" "siem" {
  application_id = m365_connector_app.siem.id
  display_name   = "siem"

  # Then the state holds only `encrypted_value`, which the vendor alone can open.
  recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
}
