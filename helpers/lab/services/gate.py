"""The TLS reverse proxy of a shared lab, for its registry and its InfluxDB: TLS and a password in front, HTTP behind.

Neither of the two can listen twice, once for this machine and once, with other rules, for other machines. The lab
starts this module as a program, in a folder with ``gate.json`` and the certificate.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import ssl
from pathlib import Path
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPClientError
from tornado.web import Application, RequestHandler, stream_request_body

_AT_ONCE = 100
_TIMEOUT = 30.0  # seconds
_BODY = 25_000_000  # bytes; InfluxDB takes no more
# What the two services look at in a request, and clients in an answer.
_REQUEST = ("Accept", "Content-Type", "Content-Encoding")
_ANSWER = ("Content-Type", "X-Influxdb-Version")


@stream_request_body  # or Tornado would keep the body of a request before it calls prepare
class _Handler(RequestHandler):
    def initialize(self, behind: str, login: bytes) -> None:
        self._behind, self._login, self._body = behind, login, bytearray()

    def prepare(self) -> None:
        if not hmac.compare_digest(self.request.headers.get("Authorization", "").encode(), self._login):
            self.set_header("WWW-Authenticate", 'Basic realm="lab"')
            self.send_error(401)
        elif not (self.request.uri or "").startswith("/"):  # "@elsewhere/" after the address would lead elsewhere
            self.send_error(400)

    def data_received(self, chunk: bytes) -> None:
        self._body += chunk

    async def _pass_on(self) -> None:
        method = self.request.method or "GET"
        try:
            answer = await AsyncHTTPClient().fetch(
                f"{self._behind}{self.request.uri}",
                method=method,
                headers={name: value for name in _REQUEST if (value := self.request.headers.get(name))},
                body=bytes(self._body) or (b"" if method in {"POST", "PUT", "PATCH"} else None),
                allow_nonstandard_methods=True,  # a DELETE with a body, say: the service decides
                follow_redirects=False,
                request_timeout=_TIMEOUT,
                raise_error=False,
            )
        except (OSError, HTTPClientError):
            self.send_error(502, reason="The service behind the gate does not answer")
            return
        self.set_status(answer.code, answer.reason)
        self.clear_header("Content-Type")
        for name in _ANSWER:
            if value := answer.headers.get(name):
                self.set_header(name, value)
        self.finish(answer.body or None)

    get = head = post = put = patch = delete = options = _pass_on


async def _serve(config: dict[str, Any]) -> None:
    AsyncHTTPClient.configure(None, max_clients=_AT_ONCE)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain("server.pem")
    login = b"Basic " + base64.b64encode(f"{config['user']}:{config['password']}".encode())
    for port, behind in config["listeners"].items():
        listener = Application([(r".*", _Handler, {"behind": behind, "login": login})], log_function=lambda _: None)
        listener.listen(int(port), config["ip"], ssl_options=context, max_body_size=_BODY)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(json.loads(Path("gate.json").read_text(encoding="utf-8"))))
