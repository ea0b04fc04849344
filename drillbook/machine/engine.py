"""What choosing images needs of Docker: look, pull, build, and make a base image from nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from docker.errors import APIError, DockerException, ImageNotFound
from requests.exceptions import RequestException

from drillbook.machine import docker_client, environment
from drillbook.machine.host import KEYRING, Apt, Done, Host, PackageError, debian_mirror

RELEASE = "trixie"
RECIPE_LABEL = "drillbook.recipe"
REGISTRY_DEADLINE_S = 8
CHANGE_DEADLINE_S = 900.0
GO_SETTINGS = ("GOPROXY", "GONOSUMDB")
# What an image for containers leaves out, as the official slim images do.
LEFT_OUT = ("doc", "groff", "info", "lintian", "locale", "man")


class BuildError(Exception):
    """An image could not be built here: what was tried, and its last lines."""


class DockerEngine:
    """The engine that the `docker` command talks to."""

    def __init__(self, host: Host | None = None) -> None:
        self._host = host or Host()

    @cached_property
    def _api(self) -> Any:  # its type stubs leave out the calls' types
        return docker_client.connected(REGISTRY_DEADLINE_S).api

    def named(self, variable: str) -> str:
        """The image that a person named in the environment, or nothing."""
        return self._host.variable(variable)

    def local(self, references: Sequence[str]) -> dict[str, str]:
        """Those of the images that are local, each with the recipe it was built from."""
        found: dict[str, str] = {}
        for reference in references:
            try:
                image = self._api.inspect_image(reference)
            except ImageNotFound:
                continue
            found[reference] = (image["Config"].get("Labels") or {}).get(RECIPE_LABEL, "")
        return found

    def unreachable(self, reference: str) -> str:
        """Why the registry does not give this image; nothing if it does.

        The engine itself asks, for its proxies and mirrors are what a pull would use.
        """
        try:
            self._api.inspect_distribution(reference)
        except APIError as error:
            return str(error.explanation or error).strip()
        except (DockerException, RequestException) as error:
            return f"no answer within {REGISTRY_DEADLINE_S} s ({type(error).__name__})"
        return ""

    def pull(self, reference: str) -> Done:
        """Pull an image."""
        return self._host.run("docker", "pull", "--quiet", reference, deadline_s=CHANGE_DEADLINE_S)

    def bootstrap(self, reference: str, packages: Sequence[str], recipe: str) -> None:
        """Make a Debian image from packages alone. Raises BuildError."""
        mirror = debian_mirror(self._host)
        if mirror is None:
            raise BuildError("stand-ins are made of Debian's packages, as root on Debian.")
        self._require_mmdebstrap()
        with self._host.folder() as folder:
            tar = f"{folder}/root.tar"
            self._do(
                "mmdebstrap",
                "--quiet",
                "--variant=minbase",
                f"--include={','.join(packages)}",
                f"--keyring={KEYRING}",
                '--aptopt=Acquire::Languages "none"',
                *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in LEFT_OUT),
                RELEASE,
                tar,
                mirror,
            )
            labels = f"LABEL {RECIPE_LABEL}={recipe}"
            self._do(
                "docker", "import", "--change", 'CMD ["bash"]', "--change", labels, tar, reference
            )

    def build(self, reference: str, folder: Path, base: str, recipe: str) -> None:
        """Build a stand-in from its folder. Raises BuildError."""
        settings = {name: self._host.variable(name) for name in GO_SETTINGS}
        passed_on = environment.build_proxies() | {k: to for k, to in settings.items() if to}
        bundle = environment.ca_bundle()
        self._do(
            *("docker", "build", "--tag", reference),
            *("--label", f"{RECIPE_LABEL}={recipe}"),
            *("--build-arg", f"DEBIAN_IMAGE={base}"),
            *(word for one in passed_on.items() for word in ("--build-arg", "=".join(one))),
            *(("--secret", f"id=ca_bundle,src={bundle}") if bundle else ()),
            *("--progress", "plain", str(folder)),
        )

    def _require_mmdebstrap(self) -> None:
        if self._host.which("mmdebstrap"):
            return
        apt = Apt(self._host)
        if not apt.usable:
            raise BuildError("making a Debian image needs mmdebstrap; only root can install it.")
        try:
            with self._host.alone():
                apt.install("mmdebstrap")
        except PackageError as error:
            raise BuildError(str(error)) from error

    def _do(self, *command: str) -> None:
        done = self._host.run(*command, deadline_s=CHANGE_DEADLINE_S)
        if not done.ok:
            raise BuildError(f"{command[0]} failed ({done.status}):\n{done.tail(20)}")
