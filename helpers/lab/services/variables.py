"""The ``LAB_*`` variables of one service: how an external service is reached, and who provides the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from helpers.errors import ConfigurationError

_FLAGS = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("0", "false", "no", "off"), False)


class Variables:
    """The variables that begin with ``prefix``, by what follows it; an empty one counts as not set.

    ``known`` are the ones there can be. The first gives the address: if it is set, the service is ``external``.

    Raises:
        ConfigurationError: A variable is unknown, or has no effect without the address.
    """

    def __init__(self, prefix: str, known: Sequence[str], env: Mapping[str, str]) -> None:
        self._prefix = prefix
        self._address = f"{prefix}{known[0]}"
        self._set = {key.removeprefix(prefix): value for key, value in env.items() if key.startswith(prefix) and value}
        for name in sorted(self._set):
            if name not in known:
                raise self.error(name, "there is no such setting", f"Use {prefix} and one of {', '.join(known)}.")
        self.external = known[0] in self._set
        if not self.external and (others := sorted(set(self._set) - {"PROVIDER"})):
            raise self.error(others[0], f"it has no effect without {self._address}", "Set both, or neither.")

    def __getitem__(self, name: str) -> str:
        return self._set[name]

    def get(self, name: str) -> str | None:
        """Return what was set, or None."""
        return self._set.get(name)

    def error(self, name: str, cause: str, remedy: str) -> ConfigurationError:
        """Make an error that names the whole variable."""
        return ConfigurationError(f"{self._prefix}{name}", cause, remedy=remedy)

    def provider(self, allowed: Sequence[str]) -> str | None:
        """Return the provider that is asked for, if one is."""
        choice = self.get("PROVIDER")
        if choice and choice not in allowed:
            raise self.error("PROVIDER", f"{choice!r} is not a provider", f"Use one of {', '.join(allowed)}.")
        if choice and (choice == "given") != self.external:
            cause = f"{choice!r} contradicts {self._address}, which is {'set' if self.external else 'not set'}"
            remedy = f"Only the provider given goes with {self._address}: set both, or neither."
            raise self.error("PROVIDER", cause, remedy)
        return choice

    def login(self) -> tuple[str, str] | None:
        """Return username and password, or None."""
        user, password = self.get("USERNAME"), self.get("PASSWORD")
        if bool(user) != bool(password):
            missing = "PASSWORD" if user else "USERNAME"
            raise self.error(missing, "it is missing", "Set username and password together, or neither.")
        return (user, password) if user and password else None

    def tls(self) -> tuple[bool, str | None]:
        """Return whether to use TLS, and the file with the authorities to trust (None: the system's)."""
        flag, ca = self.get("TLS"), self.get("CA")
        if flag and flag.lower() not in _FLAGS:
            raise self.error("TLS", f"{flag!r} is neither yes nor no", "Use 1 or 0.")
        wanted = _FLAGS[flag.lower()] if flag else ca is not None
        if ca and not wanted:
            raise self.error("CA", "it contradicts TLS being off", f"Unset it, or set {self._prefix}TLS=1.")
        if ca and not Path(ca).is_file():
            raise self.error("CA", f"there is no file {ca}", "Give the path of a PEM file.")
        return wanted, ca

    def port(self, default: int) -> int:
        """Return the port."""
        value = self.get("PORT") or str(default)
        if not is_port(value):
            raise self.error("PORT", f"{value!r} is not a port", "Use a number from 1 to 65535.")
        return int(value)

    def url(self) -> str:
        """Return the URL."""
        # The error does not repeat the URL, which may hold a password.
        try:
            url = urlsplit(self["URL"])
            valid = url.scheme in {"http", "https"} and url.hostname and url.port != 0 and " " not in self["URL"]
        except ValueError:  # half an IPv6 address, or a port that is not a number
            valid = False
        if not valid:
            raise self.error("URL", "it is not a valid URL", "Write it as https://host or http://host:port.")
        if url.username is not None or url.password is not None:
            remedy = f"Put them into {self._prefix}USERNAME and {self._prefix}PASSWORD."
            raise self.error("URL", "it contains a username or a password", remedy)
        return self["URL"].rstrip("/")

    def authority(self) -> str | None:
        """Return the file with the authorities to trust for the URL (None: the system's)."""
        _, ca = self.tls()
        if ca and not self.url().startswith("https:"):
            raise self.error("CA", "it contradicts a URL that begins with http:", "Unset it, or use https:.")
        return ca


def is_port(text: str) -> bool:
    """Whether ``text`` is a TCP port."""
    return text.isdecimal() and 0 < int(text) < 65536  # noqa: PLR2004
