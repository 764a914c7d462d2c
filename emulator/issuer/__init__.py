"""The bank's card factory: a test CA and personalisation by APDU."""
