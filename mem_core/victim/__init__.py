"""The model that an unauthorised trainer trains on the published files, with countermeasures, and what it retrieves."""
