"""`--no-server`: Prefect runs with a server and a database that go with the command, and nobody keeps a record."""

import atexit
import os
import shutil
import tempfile

from flows.local_server.environment import NOT_OF_THIS_FOLDER, QUIET, SILENT_CONSOLE


def use_no_server() -> None:
    """Gives this process's Prefect a server and a database that go with the command.

    Prefect cannot run a flow without any. Where its own settings name a server or a database (environment, profile,
    prefect.toml), these are left alone: nothing of them is read, and no record reaches them. Comes before anything
    imports Prefect, which reads its settings then.
    """
    folder = tempfile.mkdtemp(prefix="memshield-prefect-")
    # Registered before Prefect is there, so it comes after Prefect's last words.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        del os.environ[name]
    os.environ.update(QUIET | SILENT_CONSOLE | NOT_OF_THIS_FOLDER)
    os.environ |= {
        "PREFECT_HOME": folder,
        "PREFECT_API_URL": "",  # set, though to nothing: else a prefect.toml of this folder could name a server
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{folder}/prefect.db",
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",  # 20 is short on a busy machine
    }


def drop_events() -> None:
    """After `use_no_server`, once Prefect is imported: nobody is to keep its events, and of each it would complain."""
    from prefect.events.clients import NullEventsClient
    from prefect.events.worker import EventsWorker
    from prefect.settings import PREFECT_API_URL

    if not PREFECT_API_URL.value():  # "" is taken for the address of a server
        EventsWorker.set_client_override(NullEventsClient)
