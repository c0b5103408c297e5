terraform import m365_connector_app.siem contoso-siem
