"""The environment of everything that a run starts, made of what is let through.

``variables.txt`` of the project, and of the system that --system names, has each variable of the
caller's that counts. ``enter`` makes
a process whose own environment holds those and what is fixed here, and nothing else; the other
functions make the environment of a child from it. None of them gives a proxy to what talks to
loopback.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from drillbook.machine import docker_config
from drillbook.machine.refused import WRONG_USE, Refused, one_line

ROOT = Path(__file__).resolve().parents[2]
VARIABLES = ROOT / "variables.txt"
ENTERED = "DRILLBOOK_ENTERED"
PROXIES = ("http_proxy", "https_proxy", "all_proxy")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE")
SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, Red Hat
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, the BSDs
)
LARGEST_SECRET_BYTES = 500 * 1024  # of what BuildKit hands into a build
NO_HOME = "/nonexistent"
LOCALE = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
FOR_PYTHON = {
    "PYTHONPATH": str(ROOT),
    "PYTHONSAFEPATH": "1",  # a json.py in the caller's folder is not ours
    "PYTHONUNBUFFERED": "1",
    "PYTHONUTF8": "1",
}
FOR_COMPOSE = {"COMPOSE_DISABLE_ENV_FILE": "1", "COMPOSE_ENV_FILES": os.devnull}
_IMAGE = re.compile(r"[\w][\w.:/@-]*", re.ASCII)


@functools.cache
def _named() -> Mapping[str, tuple[str, str]]:
    """Every variable that counts: what it is for, and the default of a port."""
    named: dict[str, tuple[str, str]] = {}
    for file in (VARIABLES, *_of_another_system(sys.argv)):
        lines = (line.split() for line in file.read_text(encoding="utf-8").splitlines())
        words = [one for one in lines if one and one[0] != "#"]
        named |= {one[0]: (one[1], one[2] if len(one) > 2 else "") for one in words}
    return named


def _of_another_system(arguments: Sequence[str]) -> list[Path]:
    """The file beside another system's ``system.py``, where ``--system`` names one that has it."""
    values = [one.partition("=")[2] for one in arguments if one.startswith("--system=")]
    values += [b for a, b in pairwise(arguments) if a == "--system"]
    return [file for folder in values if (file := Path(folder) / VARIABLES.name).is_file()]


def variables() -> Mapping[str, str]:
    """Every variable of the caller's that counts, with what it is for."""
    return {name: use for name, (use, _) in _named().items()}


# --- a process of ours -------------------------------------------------------------------------
def enter(module: str) -> None:
    """Go on as ``python -m module`` in an environment that the project decides.

    Replaces the process, keeping its number, where that is not yet so. Where a variable of the
    caller's cannot be honoured, says which in one line and exits with 4.
    """
    os.umask(0o022)  # containers read what a run writes, as users of their own
    if os.environ.get(ENTERED) == str(os.getpid()):
        docker_config.remove_at_exit(Path(os.environ["DOCKER_CONFIG"]))
        return
    try:
        decided = entered(os.environ)
    except Refused as refused:
        sys.stderr.write(f"{refused}\n")
        sys.exit(WRONG_USE)
    os.execve(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], decided)  # noqa: S606


def entered(caller: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process of ours, made of the caller's. Raises Refused."""
    given = _given(caller, *set(variables().values()))
    refuse_what_cannot_be_honoured(given)
    engine = docker_config.engine(given)
    for name in ("DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        given.pop(name, None)
    bundle = ca_bundle(given)
    return {
        **given,
        **({"SSL_CERT_FILE": bundle} if bundle else {}),
        **FOR_PYTHON,
        "LC_ALL": LOCALE,
        **engine,
        "DOCKER_CONFIG": str(docker_config.make_private(given)),
        ENTERED: str(os.getpid()),
    }


# --- its children ------------------------------------------------------------------------------
def plain() -> dict[str, str]:
    """For a program that asks nothing of the network but loopback."""
    return {**_given(os.environ, "machine"), "LC_ALL": LOCALE}


def python() -> dict[str, str]:
    """For a Python process of the project's own."""
    return {**docker(), **FOR_PYTHON}


def docker() -> dict[str, str]:
    """For Docker's command line where nothing is pulled or built."""
    given = _given(os.environ, "machine", "docker")
    return {
        **given,
        "LC_ALL": LOCALE,
        "DOCKER_CONFIG": str(docker_config.folder(given)),
        **FOR_COMPOSE,
    }


def downloading() -> dict[str, str]:
    """For what pulls, builds or installs: with the caller's proxies and authorities."""
    given = _given(os.environ, "download")
    bundle = ca_bundle(os.environ)
    authorities = {"SSL_CERT_FILE": bundle} if bundle else {}
    return {**docker(), **given, **authorities, **_proxies(given), "DOCKER_BUILDKIT": "1"}


def typed() -> dict[str, str]:
    """For commands that are typed: no program finds a configuration file of the caller's."""
    return {**docker(), "HOME": NO_HOME}


# --- what the caller's variables come to -------------------------------------------------------
def ports() -> dict[str, str]:
    """The ports that the caller named, by variable. Raises Refused."""
    given = _given(os.environ, "port")
    _refuse_ports(given)
    return given


def ca_bundle(environ: Mapping[str, str] | None = None) -> str:
    """The file of certificate authorities: the caller's, or the system's own; may be none."""
    given = os.environ if environ is None else environ
    named = next((given[name] for name in CA_VARIABLES if given.get(name)), "")
    return named or next((path for path in SYSTEM_BUNDLES if _fit_for_a_build(path)), "")


def build_proxies() -> dict[str, str]:
    """The proxies to give to an image build, by their names in lower case.

    The caller's variables, else those that Docker's own configuration has for containers. One on
    loopback is left out: a build has a loopback of its own, and none would answer there.
    """
    given = _proxies(_given(os.environ, "download"))
    found = {name: given[name] for name in PROXIES if name in given}
    if not found:
        found = docker_config.proxies_for_builds(Path(docker()["DOCKER_CONFIG"]))
    reached = {
        name: value for name, value in found.items() if name == "no_proxy" or not _loops(value)
    }
    if not any(name in reached for name in PROXIES):
        return {}
    return {"no_proxy": given.get("no_proxy", ",".join(LOOPBACK)), **reached}


def plain_output() -> bool:
    """Whether the caller wants no escape sequences, though there may be a terminal."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def refuse_what_cannot_be_honoured(given: Mapping[str, str]) -> None:
    """Raise Refused for the first variable whose value nothing could be made of."""
    _refuse_ports(given)
    for name, use in variables().items():
        if use == "image" and name in given and not _IMAGE.fullmatch(given[name]):
            raise Refused(f"{name}={one_line(given[name])} is no name of an image")
        if name.lower() in PROXIES and name in given and not _is_address(given[name]):
            raise Refused(f"{name}={one_line(given[name])} is no address of a proxy")
    for name in CA_VARIABLES:
        if name in given:
            _refuse_bundle(name, given[name])
    chromium = given.get("CHROMIUM")
    if chromium and not os.access(chromium, os.X_OK):
        raise Refused(f"CHROMIUM={one_line(chromium)} is no program that can be run")
    temporary = given.get("TMPDIR")
    if temporary and not os.access(temporary, os.W_OK | os.X_OK):
        raise Refused(f"TMPDIR={one_line(temporary)} is no folder that can be written to")


# --- within ------------------------------------------------------------------------------------
def _given(environ: Mapping[str, str], *uses: str) -> dict[str, str]:
    wanted = {name for name, use in variables().items() if use in uses}
    return {name: environ[name] for name in variables() if name in wanted and environ.get(name)}


def _proxies(given: Mapping[str, str]) -> dict[str, str]:
    """Each proxy under both spellings, since no two programs read the same; loopback exempt."""
    found = {name: given.get(name) or given.get(name.upper(), "") for name in PROXIES}
    found = {name: value for name, value in found.items() if value}
    if not found:
        return {}
    exempt = given.get("no_proxy") or given.get("NO_PROXY", "")
    found["no_proxy"] = ",".join([*filter(None, exempt.split(",")), *LOOPBACK])
    return found | {name.upper(): value for name, value in found.items()}


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        return bool(parts.hostname) and parts.port != 0 and not re.search(r"\s", value)
    except ValueError:
        return False


def _loops(proxy: str) -> bool:
    host = urlsplit(proxy if "://" in proxy else f"http://{proxy}").hostname or ""
    return host in LOOPBACK or host.startswith("127.")


def _refuse_ports(given: Mapping[str, str]) -> None:
    taken: dict[int, str] = {}
    for name, (use, usual) in _named().items():
        if use != "port":
            continue
        value = given.get(name) or usual
        number = int(value) if value.isascii() and value.isdigit() and len(value) < 6 else 0
        if not 0 < number < 65536:
            raise Refused(f"{name}={one_line(value)} is no port: a number from 1 to 65535")
        if number in taken:
            raise Refused(f"{name}={number} is the port that {taken[number]} has")
        taken[number] = name


def _refuse_bundle(name: str, path: str) -> None:
    shown = f"{name}={one_line(path)}"
    try:
        certificates = b"-----BEGIN " in Path(path).read_bytes()
    except OSError as error:
        raise Refused(f"{shown} cannot be read: {error.strerror}") from error
    if not certificates:
        raise Refused(f"{shown} holds no certificate")
    if not _fit_for_a_build(path):
        raise Refused(f"{shown} is larger than 500 KiB, which no image build can be given")


def _fit_for_a_build(path: str) -> bool:
    try:
        return 0 < Path(path).stat().st_size <= LARGEST_SECRET_BYTES and os.access(path, os.R_OK)
    except OSError:
        return False
