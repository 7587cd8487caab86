"""A local HTTP server with byte ranges, and the faults of real mirrors."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType


@dataclass
class Mirror:
    """Serves a folder on 127.0.0.1; ``cuts`` are how many bytes each answer gets out, in turn."""

    folder: Path
    cuts: dict[str, list[int]] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    requests: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.answer(self)

            def log_message(self, *_: object) -> None:
                """Say nothing: ``requests`` has it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Mirror:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Return the server's address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def asked(self, name: str) -> list[str]:
        """Return the Range headers (empty: none) with which a file was asked for."""
        return [header for path, header in self.requests if path.endswith(f"/{name}")]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        path = handler.path
        name = path.rpartition("/")[2]
        header = handler.headers.get("range", "")
        self.requests.append((path, header))
        file = self.folder / path.lstrip("/")
        if name in self.redirects:
            handler.send_response(302)
            handler.send_header("location", self.redirects[name])
            handler.end_headers()
        elif name in self.statuses or not file.is_file():
            handler.send_error(self.statuses.get(name, 404))
        else:
            self._send(handler, file.read_bytes(), header, name)

    def _send(
        self, handler: BaseHTTPRequestHandler, content: bytes, header: str, name: str
    ) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", header)
        start = int(asked.group(1)) if asked and self.ranges else 0
        handler.send_response(206 if start else 200)
        if start:
            span = f"bytes {start}-{len(content) - 1}/{len(content)}"
            handler.send_header("content-range", span)
        handler.send_header("content-length", str(len(content) - start))
        handler.end_headers()
        cuts = self.cuts.get(name, [])
        end = start + cuts.pop(0) if cuts else len(content)
        handler.wfile.write(content[start:end])
