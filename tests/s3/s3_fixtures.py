"""Fixtures around the S3 server, for every folder of tests that needs one (`pytest_plugins` in tests/conftest.py)."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.s3.swift_server import SwiftServer, client, credentials


@pytest.fixture(scope="session")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwiftServer]:
    """One server a session. A test that kills it starts it again."""
    server = SwiftServer(tmp_path_factory.mktemp("swift"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def connected(swift: SwiftServer) -> Iterator[None]:
    """`s3://` addresses lead to the server."""
    with credentials(swift.endpoint):
        yield


@pytest.fixture
def admin(swift: SwiftServer) -> Any:
    """A boto3 client beside the one under test."""
    return client(swift.endpoint)


@pytest.fixture
def bucket(admin: Any, connected: None) -> str:
    """A new empty bucket."""
    name = f"corpus-{secrets.token_hex(4)}"
    admin.create_bucket(Bucket=name)
    return name
