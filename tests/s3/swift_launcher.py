"""OpenStack Swift in one process on loopback, speaking S3. Runs in a virtual environment of its own (see swift_venv).

    python swift_launcher.py FOLDER PORT

Keeps everything below FOLDER, prints one JSON line with the port (PORT 0 picks a free one) when it answers, and
serves until it is killed or its parent is gone. Access key `memshield:tester`, secret `testing-secret`;
`memshield:stranger`, `stranger-secret` is a user without any rights.
"""

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import eventlet

eventlet.monkey_patch()

from eventlet import semaphore  # noqa: E402
from swift.common import utils  # noqa: E402

SERVERS = ("account", "container", "object")
SMALLEST_PART = 1024 * 1024
"""Parts of a multipart upload may be this small here, where S3 says 5 MiB: tests need not move much."""

PROXY = """
[DEFAULT]
swift_dir = {config}
user = {user}
log_level = ERROR
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck bulk s3api tempauth slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
recheck_account_existence = 0
recheck_container_existence = 0
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
dns_compliant_bucket_names = true
min_segment_size = {smallest_part}
[filter:tempauth]
use = egg:swift#tempauth
user_memshield_tester = testing-secret .admin
user_memshield_stranger = stranger-secret
[filter:slo]
use = egg:swift#slo
min_segment_size = 1
"""
STORAGE = """
[DEFAULT]
swift_dir = {config}
devices = {devices}
mount_check = false
user = {user}
log_level = ERROR
fallocate_reserve = 0
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""


def main() -> None:
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    config, devices = folder / "config", folder / "devices"
    config.mkdir(parents=True, exist_ok=True)
    (devices / "disk").mkdir(parents=True, exist_ok=True)
    (config / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_suffix = memshield-tests\n"
        "[storage-policy:0]\nname = one\ndefault = yes\npolicy_type = replication\n"
    )
    utils.SWIFT_CONF_FILE = str(config / "swift.conf")
    os.fsync = lambda handle: None  # a killed process loses nothing that it wrote, and power cuts are no case here
    sockets = {kind: listen(0) for kind in SERVERS}
    for kind, listening in sockets.items():
        make_ring(config, kind, listening.getsockname()[1])
    front = listen(port)
    texts = {kind: STORAGE.format(config=config, devices=devices, kind=kind, user=user()) for kind in SERVERS}
    texts["proxy"] = PROXY.format(config=config, user=user(), smallest_part=SMALLEST_PART)
    for kind, listening in {**sockets, "proxy": front}.items():
        eventlet.spawn(serve, config / f"{kind}.conf", texts[kind], listening)
    print(json.dumps({"port": front.getsockname()[1]}), flush=True)
    parent = os.getppid()
    while os.getppid() == parent:  # killed tests leave no server behind
        eventlet.sleep(1)


def listen(port: int) -> Any:
    """A socket that sends small answers at once instead of waiting 40 ms for more."""
    listening = eventlet.listen(("127.0.0.1", port))
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def user() -> str:
    """Who runs this: Swift asks for a name."""
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def make_ring(config: Path, kind: str, port: int) -> None:
    """One copy of everything on the one device."""
    from swift.common.ring import RingBuilder

    builder = RingBuilder(4, 1, 0)
    builder.add_dev(
        {"region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "disk", "weight": 1, "meta": ""}
    )
    builder.rebalance(seed=1)
    builder.get_ring().save(str(config / f"{kind}.ring.gz"))


class OneAtATime:
    """Conditional writes wait for each other, as S3 promises: Swift looks whether a key is free before it reads the
    body, so that all writers of a close race would win."""

    def __init__(self, app: Any) -> None:
        self.app, self.turn = app, semaphore.Semaphore(1)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] != "PUT" or "HTTP_IF_NONE_MATCH" not in environ:
            return self.app(environ, start_response)
        with self.turn:
            return self.app(environ, start_response)


def serve(path: Path, text: str, listening: Any) -> None:
    """One of the four servers, in a green thread."""
    from eventlet import wsgi
    from swift.common.wsgi import SwiftHttpProtocol, loadapp

    path.write_text(text)
    app = loadapp(str(path), global_conf={"log_name": path.stem})
    app = OneAtATime(app) if path.stem == "proxy" else app
    wsgi.server(listening, app, log_output=False, protocol=SwiftHttpProtocol)


if __name__ == "__main__":
    main()
