"""Whether the server that PREFECT_API_URL names is there, found out before Prefect asks it and ends in a long trace."""

import base64
import json
import os
import urllib.error
import urllib.request

from mem_core.common.errors import ConfigError

_SECONDS = 10.0
_REFUSED = (401, 403)


def require_answer(api: str) -> None:
    """Raises `ConfigError`, a sentence, unless a Prefect API answers at this address and lets us in."""
    try:
        healthy = _get(f"{api.rstrip('/')}/health")
    except urllib.error.HTTPError as error:
        healthy = f"status {error.code}"
    except (OSError, ValueError) as error:  # no such host, nobody there, no address at all
        raise ConfigError(_sentence(api, _why(error))) from error
    if healthy != "true":
        raise ConfigError(_sentence(api, "what answers there is no Prefect API; its address ends in /api"))
    try:
        _get(f"{api.rstrip('/')}/admin/version")
    except urllib.error.HTTPError as error:
        if error.code in _REFUSED:
            known = "PREFECT_API_AUTH_STRING or PREFECT_API_KEY"
            raise ConfigError(
                f"expected the Prefect server at {api} to let us in, but it refused: set {known}"
            ) from error
    except (OSError, ValueError) as error:
        raise ConfigError(_sentence(api, _why(error))) from error


def _get(url: str) -> str:
    request = urllib.request.Request(url, headers=_credentials())
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
        text = answer.read(10_000).decode("utf-8", "replace").strip()
        try:
            return json.dumps(json.loads(text))
        except ValueError:
            return "no JSON"


def _credentials() -> dict[str, str]:
    if key := os.environ.get("PREFECT_API_KEY"):
        return {"Authorization": f"Bearer {key}"}
    if known := os.environ.get("PREFECT_API_AUTH_STRING"):
        return {"Authorization": "Basic " + base64.b64encode(known.encode()).decode()}
    return {}


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason)


def _sentence(api: str, why: str) -> str:
    return (
        f"expected a Prefect server at {api}, which PREFECT_API_URL names, but: {why}; start it, correct the address, "
        "or unset PREFECT_API_URL to use a server of memshield's own"
    )
