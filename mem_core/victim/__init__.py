"""The model that an unauthorised trainer trains on the published files, and what it retrieves."""
