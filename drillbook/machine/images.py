"""Which image each part of the stack runs on: the official one, or a stand-in built here.

In this order: the official image where it is local; a stand-in that is local and up to date; the
official image where it can be pulled; a stand-in built now. So a machine with a registry never
builds one, and on a machine without, only the first run asks for the registry.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from drillbook.machine.engine import RELEASE, BuildError, DockerEngine
from drillbook.machine.host import Done

Say = Callable[[str], None]


class ImageError(Exception):
    """An image could be neither pulled nor built: one message, why."""


@dataclass(frozen=True)
class Kind:
    """A part of a stack that comes as an image, and the variable that names another.

    ``recipes`` is the folder that has the recipe of its stand-in, in a folder of the kind's name;
    None where there is no stand-in.
    """

    name: str
    variable: str
    official: str
    stand_in: str = ""
    recipes: Path | None = None

    @property
    def recipe(self) -> Path:
        """The folder that its stand-in is built from. Raises BuildError where it has none."""
        if self.recipes is None:
            raise BuildError(f"nobody wrote a stand-in for {self.official}.")
        return self.recipes / self.name


@dataclass(frozen=True)
class Image:
    """The image chosen for a kind. ``variable`` is what the Compose files call it by."""

    kind: str
    variable: str
    reference: str
    official: str
    stand_in: bool


OWN = Path(__file__).parent / "stand_ins"
"""The recipes of what the engine itself needs, whatever the system."""
BASE = Kind("debian", "DEBIAN_IMAGE", "debian:trixie-slim", "drillbook/debian:trixie", OWN)
TOXIPROXY = Kind(
    "toxiproxy",
    "TOXIPROXY_IMAGE",
    "ghcr.io/shopify/toxiproxy:2.12.0",
    "drillbook/toxiproxy:2.12.0",
    OWN,
)
NETSHOOT = Kind(
    "netshoot", "NETSHOOT_IMAGE", "nicolaka/netshoot:v0.13", "drillbook/netshoot:trixie", OWN
)


class Engine(Protocol):
    """What choosing images asks of a Docker engine."""

    def named(self, variable: str) -> str:
        """The image that a person named in the environment, or nothing."""

    def local(self, references: Sequence[str]) -> dict[str, str]:
        """Those of the images that are local, each with the recipe it was built from."""

    def unreachable(self, reference: str) -> str:
        """Why the registry does not give this image; nothing if it does."""

    def pull(self, reference: str) -> Done:
        """Pull an image."""

    def bootstrap(self, reference: str, packages: Sequence[str], recipe: str) -> None:
        """Make a Debian image from packages alone. Raises BuildError."""

    def build(self, reference: str, folder: Path, base: str, recipe: str) -> None:
        """Build a stand-in from its folder. Raises BuildError."""


def choose(kinds: Iterable[Kind], say: Say, engine: Engine | None = None) -> list[Image]:
    """Choose an image for each kind, pulling or building it where need be.

    A kind whose variable is set in the environment is taken as it says. Raises ImageError.
    """
    return _Choice(engine or DockerEngine(), say).choose(list(dict.fromkeys(kinds)))


def stand_ins(kinds: Iterable[Kind], say: Say, engine: Engine | None = None) -> list[Image]:
    """The stand-ins of some kinds, built where need be, even where the official image is local.

    Raises ImageError.
    """
    return _Choice(engine or DockerEngine(), say).stand_ins(list(dict.fromkeys(kinds)))


def official(
    kind: Kind, say: Say, engine: Engine | None = None, *, pull: bool = True
) -> Image | None:
    """The image of a kind that has no stand-in, None where it is not to be had.

    Only a local one where ``pull`` is not wanted: a registry that gave nothing before, say.
    """
    return _Choice(engine or DockerEngine(), say).official(kind, pull=pull)


def environment(images: Iterable[Image]) -> dict[str, str]:
    """The variables that lead the Compose files to the chosen images."""
    return {image.variable: image.reference for image in images}


def recipe(kind: Kind) -> str:
    """The digest of all that a stand-in is made of: its folder, and the base under it."""
    digest = hashlib.sha256(RELEASE.encode())
    for folder in dict.fromkeys((BASE.recipe, kind.recipe)):
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                digest.update(f"{file.relative_to(folder.parent)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


class _Choice:
    """One choice: asks each registry once, builds side by side what must be built."""

    def __init__(self, engine: Engine, say: Say) -> None:
        self._engine = engine
        self._say = say
        self._local: dict[str, str] = {}
        self._registries: dict[str, str] = {}
        """Of each registry asked: nothing, or why it gives nothing."""

    def choose(self, kinds: Sequence[Kind]) -> list[Image]:
        self._look(kinds)
        chosen = {kind.name: self._at_hand(kind) or self._pulled(kind) for kind in kinds}
        to_build = [kind for kind in kinds if chosen[kind.name] is None]
        built = self._built(to_build) if to_build else {}
        return [chosen[kind.name] or built[kind.name] for kind in kinds]

    def stand_ins(self, kinds: Sequence[Kind]) -> list[Image]:
        self._look(kinds)
        to_build = [kind for kind in kinds if not self._up_to_date(kind)]
        if to_build:
            self._built(to_build)
        return [_image(kind, kind.stand_in, stand_in=True) for kind in kinds]

    def official(self, kind: Kind, *, pull: bool) -> Image | None:
        self._local = self._engine.local([kind.official])
        return self._at_hand(kind) or (self._pulled(kind) if pull else None)

    def _look(self, kinds: Sequence[Kind]) -> None:
        self._local = self._engine.local(
            [name for kind in (*kinds, BASE) for name in (kind.official, kind.stand_in)]
        )

    def _up_to_date(self, kind: Kind) -> bool:
        return bool(kind.stand_in) and self._local.get(kind.stand_in) == recipe(kind)

    def _at_hand(self, kind: Kind) -> Image | None:
        named = self._engine.named(kind.variable)
        if named:
            return _image(kind, named, stand_in=False)
        if kind.official in self._local:
            return _image(kind, kind.official, stand_in=False)
        if self._up_to_date(kind):
            return _image(kind, kind.stand_in, stand_in=True)
        return None

    def _pulled(self, kind: Kind) -> Image | None:
        """The official image, pulled; None where its registry does not give it."""
        registry = _registry(kind.official)
        if registry not in self._registries:
            self._registries[registry] = self._engine.unreachable(kind.official)
            if self._registries[registry]:
                self._say(f"Images: {registry} cannot be reached: {self._registries[registry]}")
        if self._registries[registry]:
            return None
        self._say(f"Images: pulling {kind.official} …")
        pulled = self._engine.pull(kind.official)
        if pulled.ok:
            return _image(kind, kind.official, stand_in=False)
        self._registries[registry] = pulled.tail(1)
        self._say(f"Images: {kind.official} was not pulled: {pulled.tail(1)}")
        return None

    def _built(self, kinds: Sequence[Kind]) -> dict[str, Image]:
        base = self._base(kinds)
        with ThreadPoolExecutor(max_workers=len(kinds)) as pool:
            builds = {kind.name: pool.submit(self._build, kind, base) for kind in kinds}
        return {name: build.result() for name, build in builds.items()}

    def _base(self, kinds: Sequence[Kind]) -> str:
        """The Debian image that stand-ins are built on."""
        image = self._at_hand(BASE) or self._pulled(BASE)
        if image:
            return image.reference
        self._say(
            "Images: building stand-ins from Debian's packages for "
            + ", ".join(kind.official for kind in kinds)
            + f"; first {BASE.stand_in} under them (about 25 s) …"
        )
        packages = (BASE.recipe / "packages.txt").read_text().split()
        with _Timed(self._say, BASE.stand_in), self._explained(kinds[0]):
            self._engine.bootstrap(BASE.stand_in, packages, recipe(BASE))
        return BASE.stand_in

    def _build(self, kind: Kind, base: str) -> Image:
        with _Timed(self._say, kind.stand_in), self._explained(kind):
            self._engine.build(kind.stand_in, kind.recipe, base, recipe(kind))
        return _image(kind, kind.stand_in, stand_in=True)

    def _explained(self, kind: Kind) -> _Explained:
        return _Explained(kind, self._registries.get(_registry(kind.official), ""))


class _Timed:
    """Says that an image is being built, and how long it took."""

    def __init__(self, say: Say, reference: str) -> None:
        self._say = say
        self._reference = reference
        self._began_s = time.monotonic()

    def __enter__(self) -> None:
        self._say(f"Images: building {self._reference} …")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            took_s = time.monotonic() - self._began_s
            self._say(f"Images: {self._reference} built in {took_s:.0f} s")


class _Explained:
    """Turns a build that failed into the whole story: why not pulled, why not built."""

    def __init__(self, kind: Kind, why_not_pulled: str) -> None:
        self._kind = kind
        self._why = why_not_pulled

    def __enter__(self) -> None:
        """Nothing to do before the build."""

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if isinstance(error, BuildError):
            official = self._kind.official
            raise ImageError(
                f"{official} is not on this machine and cannot be pulled: {self._why}\n"
                f"Nor could a stand-in be built: {error}\n"
                f"Where a registry can be reached: docker pull {official}. Where it cannot: "
                f"bring the image with docker save and docker load, or name another in "
                f"{self._kind.variable}."
            ) from error


def _image(kind: Kind, reference: str, *, stand_in: bool) -> Image:
    return Image(kind.name, kind.variable, reference, kind.official, stand_in)


def _registry(reference: str) -> str:
    """Where an image comes from: the part before the first slash, if that is a host."""
    first, slash, _ = reference.partition("/")
    return first if slash and ("." in first or ":" in first) else "docker.io"
