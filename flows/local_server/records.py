"""What processes tell a server of ours, and what it keeps: settings of Prefect's."""

HEARTBEATS = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
"""By which a server knows that a run lives: for every process that runs flows."""

RECORDS = {
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(90 * 86_400),
    "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P7D",
    # In files, or a restart of the server would forget who holds a place under a concurrency limit, and keep it taken.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
}
"""What a server keeps: runs with their logs for 90 days, events for 7. For every server of ours."""
