"""A way to the S3 server on which things go wrong, as asked: one request a connection, one thread a request."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal
from urllib.parse import unquote

Kind = Literal[
    "none", "500", "503", "reset before", "reset after", "hang", "cut body", "reset body", "cut upload", "denied"
]
_ANSWERS = {
    "500": (500, "Internal Server Error", "InternalError", "We encountered an internal error."),
    "503": (503, "Slow Down", "SlowDown", "Please reduce your request rate."),
    "denied": (403, "Forbidden", "AccessDenied", "Access denied."),
}
_PIECE = 1 << 16


@dataclass(frozen=True)
class Fault:
    """What happens to a request. amount: bytes of the body that pass, or seconds to hang.

    reset before, reset after: the connection breaks before the request reaches the server, or when the server has done
    it but its answer is not yet through. cut upload: the server gets part of the request's body.
    """

    kind: Kind = "none"
    amount: float = 0


@dataclass
class Request:
    """method, key: of the object or bucket. head: with headers. served: the server's whole answer went through."""

    method: str
    key: str
    head: bytes
    body: bytes
    number: int
    fault: Fault = field(default_factory=Fault)
    served: bool = False


class FaultProxy:
    """Passes requests on to a port of this machine and asks `choose` what goes wrong. `requests` holds all of them."""

    def __init__(self, port: int, choose: Callable[[Request], Fault]) -> None:
        self._port, self._choose = port, choose
        self.requests: list[Request] = []
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._lock = threading.Lock()
        self._closed = False

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> "FaultProxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                taken, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._handle, args=(taken,), daemon=True).start()

    def _handle(self, caller: socket.socket) -> None:
        with caller, contextlib.suppress(OSError):
            caller.settimeout(120)
            request = self._read(caller)
            if request is None:
                return
            request.fault = fault = self._choose(request)
            if fault.kind in _ANSWERS:
                caller.sendall(_answer(fault.kind, request))
            elif fault.kind == "hang":
                time.sleep(fault.amount)
            elif fault.kind == "reset before":
                _reset(caller)
            else:
                self._pass_on(caller, request)

    def _read(self, caller: socket.socket) -> Request | None:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = caller.recv(_PIECE)
            if not piece:
                return None
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        headers = {line.split(b":")[0].lower(): line.split(b":", 1)[1].strip() for line in head.split(b"\r\n")[1:]}
        if headers.get(b"expect", b"").lower() == b"100-continue":
            caller.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        parts = [body]
        left = int(headers.get(b"content-length", b"0")) - len(body)
        while left > 0:
            piece = caller.recv(min(left, _PIECE))
            if not piece:
                return None
            parts.append(piece)
            left -= len(piece)
        method, target = head.split(b" ", 2)[:2]
        key = unquote(target.decode().partition("?")[0]).lstrip("/")
        with self._lock:
            request = Request(method.decode(), key, head, b"".join(parts), len(self.requests))
            self.requests.append(request)
        return request

    def _pass_on(self, caller: socket.socket, request: Request) -> None:
        fault = request.fault
        kept = [
            line for line in request.head.split(b"\r\n") if not line.lower().startswith((b"expect:", b"connection:"))
        ]
        with socket.create_connection(("127.0.0.1", self._port), timeout=120) as server:
            server.sendall(b"\r\n".join([*kept, b"Connection: close", b"", b""]))
            if fault.kind == "cut upload" and request.body:
                server.sendall(request.body[: len(request.body) // 2])
                _reset(caller)
                return
            server.sendall(request.body)
            if fault.kind == "reset after":
                while server.recv(_PIECE):
                    pass
                _reset(caller)
                return
            self._answer_back(caller, server, request)

    def _answer_back(self, caller: socket.socket, server: socket.socket, request: Request) -> None:
        breaks = request.fault.kind in ("cut body", "reset body")
        head, body = b"", b""
        while b"\r\n\r\n" not in head:
            piece = server.recv(_PIECE)
            if not piece:
                return
            head += piece
        head, _, body = head.partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        caller.sendall(b"\r\n".join([*lines, b"Connection: close", b"", b""]))
        left = int(request.fault.amount) if breaks else 1 << 62
        body = body or server.recv(_PIECE)
        while body and left > 0:
            caller.sendall(body[:left])
            left -= len(body[:left])
            body = server.recv(_PIECE)
        if breaks and body:
            if request.fault.kind == "reset body":
                _reset(caller)
            return
        request.served = True


def _reset(connection: socket.socket) -> None:
    """Closes with RST, as a machine does that lost its memory of the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _answer(kind: str, request: Request) -> bytes:
    status, words, code, message = _ANSWERS[kind]
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'.encode()
    head = f"HTTP/1.1 {status} {words}\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    return head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + (b"" if request.method == "HEAD" else body)
