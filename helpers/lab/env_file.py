"""A file of ``LAB_*`` variables and the certificate of an authority: a shared lab's hand-out, and what a join stores.

Programs that look for a certificate skip all other lines, so the file itself serves as ``LAB_MQTT_CA`` and so on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from helpers.errors import ConfigurationError
from helpers.lab.errors import NotWritable
from helpers.lab.services.table import SERVICES

_BEGIN = "-----BEGIN CERTIFICATE-----"
_ASK = "Give the file that the instructor handed out, `workshop.env`, unchanged."


def write(file: Path, variables: Mapping[str, str], certificate: str, *, comment: str) -> None:
    """Write the file, whole or not at all, readable by its owner only: it holds a password.

    Raises:
        NotWritable: Its folder cannot be written.
    """
    draft = file.with_suffix(".draft")
    lines = [*(f"# {line}" for line in comment.splitlines()), *(f"{key}={each}" for key, each in variables.items())]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.touch(mode=0o600)
        draft.write_text("\n".join([*lines, certificate.strip(), ""]), encoding="utf-8")
        draft.replace(file)
    except OSError as error:
        raise NotWritable(file.parent, reason=error.strerror or str(error)) from error


def read(file: Path, *, remedy: str = _ASK) -> tuple[dict[str, str], str]:
    """Return the variables, with the file itself as the authority to trust, and the certificate.

    Raises:
        ConfigurationError: There is no such file, or it has other contents.
    """
    try:
        text, begin, rest = file.read_text(encoding="utf-8").partition(_BEGIN)
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or "it is not a text file"
        raise ConfigurationError(str(file), cause, remedy=remedy) from error
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    # It says where services are, and must not say where this lab keeps its data and its programs.
    allowed = ("LAB_NAMESPACE=", *(each.prefix for each in SERVICES.values()))
    if not (begin and lines and all(line.startswith(allowed) and "=" in line for line in lines)):
        raise ConfigurationError(str(file), "it is not the hand-out of a shared lab", remedy=remedy)
    variables = {key: value for key, _, value in (line.partition("=") for line in lines)}
    prefixes = [each.prefix for each in SERVICES.values() if any(key.startswith(each.prefix) for key in variables)]
    return variables | {f"{prefix}CA": str(file) for prefix in prefixes}, begin + rest
