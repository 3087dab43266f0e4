"""What Prefect has in its environment, in our commands and in the servers that they start."""

QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
}
# Servers are started by `python -m`, which would take a calendar.py of the user's folder for the standard library's.
NOT_OF_THIS_FOLDER = {"PYTHONSAFEPATH": "1"}
# The terminal belongs to our progress and our sentences; the server keeps every log line.
SILENT_CONSOLE = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}
