"""HTTP requests to the schema registry and InfluxDB, with their login and the authority that they trust."""

from __future__ import annotations

import base64
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any


def request(url: str, conf: Mapping[str, Any], *, timeout: float, method: str = "GET") -> bytes:
    """Send one request with the login and the authority that a registry's or an InfluxDB's configuration names."""
    message = urllib.request.Request(url, method=method)  # noqa: S310  the lab's or the user's own address
    if user := conf.get("basic.auth.user.info"):
        message.add_header("Authorization", f"Basic {base64.b64encode(user.encode()).decode()}")
    if token := conf.get("token"):  # InfluxDB 3 requires one
        message.add_header("Authorization", f"Token {token}")
    context = ssl.create_default_context(cafile=conf["ssl.ca.location"]) if conf.get("ssl.ca.location") else None
    with urllib.request.urlopen(message, timeout=timeout, context=context) as answer:  # noqa: S310
        return bytes(answer.read())


def probe(url: str, conf: Mapping[str, Any], timeout: float) -> str:
    """Send a GET request. Return "" when it succeeds, else what is wrong, in a few words."""
    try:
        request(url, conf, timeout=timeout)
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code} {error.reason}"
    except urllib.error.URLError as error:
        return str(error.reason)
    except HTTPException:
        return "the answer is not HTTP: another service listens there, or it expects https"
    return ""
