"""The one file that an instructor hands out: ``LAB_*`` variables, then the certificate of the lab's own authority.

Programs that look for a certificate skip all other lines, so the file itself serves as ``LAB_MQTT_CA`` and its like.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from helpers.errors import ConfigurationError, NotWritable

_BEGIN = "-----BEGIN CERTIFICATE-----"
_ASK = "Give the file that the instructor handed out, `workshop.env`, unchanged."
_TRUSTS = ("LAB_MQTT_CA", "LAB_KAFKA_CA", "LAB_REGISTRY_CA", "LAB_INFLUXDB_CA")
# Nothing else: a file from others says where services are, not where this lab keeps its data and its programs.
_MAY_SAY = ("LAB_MQTT_", "LAB_KAFKA_", "LAB_REGISTRY_", "LAB_INFLUXDB_", "LAB_NAMESPACE=")


def write(file: Path, variables: Mapping[str, str], certificate: str, *, comment: str) -> None:
    """Write the file, whole or not at all, for nobody's eyes but its owner's: it holds a password.

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
    """Return the variables, the file as the authority to trust among them, and the certificate.

    Raises:
        ConfigurationError: There is no such file, or it is something else.
    """
    try:
        text, begin, rest = file.read_text(encoding="utf-8").partition(_BEGIN)
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or "it is no text"
        raise ConfigurationError(str(file), cause, remedy=remedy) from error
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not (begin and lines and all(line.startswith(_MAY_SAY) and "=" in line for line in lines)):
        raise ConfigurationError(str(file), "it is no hand-out of a shared lab", remedy=remedy)
    variables = {key: value for key, _, value in (line.partition("=") for line in lines)}
    services = {key.split("_")[1] for key in variables}
    return variables | {key: str(file) for key in _TRUSTS if key.split("_")[1] in services}, begin + rest
