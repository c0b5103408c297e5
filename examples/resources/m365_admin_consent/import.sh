terraform import m365_admin_consent.siem 11111111-2222-3333-4444-555555555555
