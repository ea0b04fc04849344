"""Docker's client for one run: which engine it talks to, and a configuration of its own.

The caller's ``config.json`` may have proxies that would be put into every container, aliases,
hooks, another builder: all of that changes what a drill sees. So a run gets a folder of its own,
with what serves pulling and building alone: credentials and plugins. It is locked for as long as
the run lives, and whoever comes next removes those whose lock is free.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drillbook.machine.refused import Refused, one_line

PRIVATE = Path(__file__).resolve().parents[2] / ".tox" / "docker"
KEPT = ("auths", "credsStore", "credHelpers")
FOR_BUILDS = "build-proxies.json"
LOCK = "lock"
PROXY_KEYS = {"httpProxy": "http_proxy", "httpsProxy": "https_proxy", "noProxy": "no_proxy"}
KINDS_OF_HOST = ("unix", "tcp", "ssh", "http", "https", "npipe", "fd")


def folder(given: Mapping[str, str]) -> Path:
    """The folder of Docker's configuration that these variables lead to; it need not exist."""
    return Path(given.get("DOCKER_CONFIG") or Path(given.get("HOME", "/"), ".docker")).absolute()


def engine(given: Mapping[str, str]) -> dict[str, str]:
    """The variables that lead every client to the caller's engine: none for the usual socket.

    Libraries know nothing of contexts, so what a context says is put into variables. Raises
    Refused.
    """
    kept = {
        name: given[name]
        for name in ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")
        if name in given
    }
    if "DOCKER_HOST" in kept:
        _refuse_host(f"DOCKER_HOST={one_line(kept['DOCKER_HOST'])}", kept["DOCKER_HOST"])
        _refuse_certificates(kept)
        return kept
    name, source = given.get("DOCKER_CONTEXT", ""), "DOCKER_CONTEXT"
    if not name:
        name, source = str(_configuration(given).get("currentContext") or ""), "currentContext"
    if name in ("", "default"):
        return {}
    return _of_context(folder(given), name, f"{source}={one_line(name)}")


def make_private(given: Mapping[str, str]) -> Path:
    """Make this process' own folder of Docker's configuration. Raises Refused."""
    whole = _configuration(given)
    sweep()
    try:
        PRIVATE.mkdir(parents=True, exist_ok=True)
        private = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=PRIVATE))
        _hold(private)
        extra = whole.get("cliPluginsExtraDirs")
        plugins = [str(folder(given) / "cli-plugins"), *(extra if isinstance(extra, list) else ())]
        kept = {key: whole[key] for key in KEPT if key in whole}
        _write(private / "config.json", {**kept, "cliPluginsExtraDirs": plugins})
        _write(private / FOR_BUILDS, _proxies(whole))
    except OSError as error:
        raise Refused(f"{PRIVATE} cannot be written: {error.strerror}") from error
    return private


def remove_at_exit(private: Path) -> None:
    """Remove a folder that ``make_private`` made when this process ends."""
    if private.parent == PRIVATE:
        atexit.register(shutil.rmtree, private, ignore_errors=True)


def sweep() -> None:
    """Remove the folders whose processes are gone, however they went."""
    for private in PRIVATE.glob("*"):
        try:
            with (private / LOCK).open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(private, ignore_errors=True)
        except OSError:
            continue  # it lives, or somebody else removed it just now


def proxies_for_builds(private: Path) -> dict[str, str]:
    """What the caller's configuration has as proxies of containers, by their variables' names."""
    try:
        found: dict[str, str] = json.loads((private / FOR_BUILDS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


# --- within ------------------------------------------------------------------------------------
def _configuration(given: Mapping[str, str]) -> dict[str, Any]:
    """The caller's ``config.json``; empty where there is none. Raises Refused."""
    path = folder(given) / "config.json"
    shown = f"{'DOCKER_CONFIG: ' if given.get('DOCKER_CONFIG') else ''}{one_line(str(path))}"
    try:
        whole = json.loads(path.read_text(encoding="utf-8") or "{}")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise Refused(f"{shown} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise Refused(f"{shown} is not JSON ({one_line(str(error))}): mend or remove it") from error
    if not isinstance(whole, dict):
        raise Refused(f"{shown} is no JSON object: mend or remove it")
    return whole


def _of_context(docker: Path, name: str, shown: str) -> dict[str, str]:
    digest = hashlib.sha256(name.encode()).hexdigest()
    file = docker / "contexts" / "meta" / digest / "meta.json"
    try:
        endpoint = json.loads(file.read_text(encoding="utf-8"))["Endpoints"]["docker"]
        host = str(endpoint["Host"])
    except FileNotFoundError:
        raise Refused(f"{shown}: there is no such context in {docker}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"{shown}: {file} cannot be read: {one_line(repr(error))}") from error
    _refuse_host(shown, host)
    certificates = docker / "contexts" / "tls" / digest / "docker"
    if not certificates.is_dir():
        return {"DOCKER_HOST": host}
    verify = {} if endpoint.get("SkipTLSVerify") else {"DOCKER_TLS_VERIFY": "1"}
    return {"DOCKER_HOST": host, "DOCKER_CERT_PATH": str(certificates), **verify}


def _refuse_host(shown: str, host: str) -> None:
    kind, sign, rest = host.partition("://")
    if kind not in KINDS_OF_HOST or not sign or not rest:
        raise Refused(
            f"{shown} names no engine that Docker could reach: unix://…, tcp://…, ssh://…"
        )


def _refuse_certificates(kept: Mapping[str, str]) -> None:
    path = kept.get("DOCKER_CERT_PATH")
    if path and not (Path(path) / "ca.pem").is_file():
        raise Refused(f"DOCKER_CERT_PATH={one_line(path)} holds no ca.pem")


def _hold(private: Path) -> None:
    """Lock a folder until this process ends; the lock goes with it into what it executes."""
    unlocked = private / "lock.new"
    file = os.open(unlocked, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(file, fcntl.LOCK_EX)
    os.set_inheritable(file, True)
    unlocked.replace(private / LOCK)  # who finds a lock there finds it held


def _proxies(whole: Mapping[str, Any]) -> dict[str, str]:
    proxies = whole.get("proxies")
    default = proxies.get("default") if isinstance(proxies, dict) else None
    if not isinstance(default, dict):
        return {}
    return {name: str(default[key]) for key, name in PROXY_KEYS.items() if default.get(key)}


def _write(path: Path, content: object) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    beside = path.with_suffix(".new")
    beside.touch(mode=0o600)
    beside.write_text(json.dumps(content), encoding="utf-8")
    beside.replace(path)
