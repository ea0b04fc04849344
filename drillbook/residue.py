"""What a drill leaves behind: the stack compared with itself before anything was broken.

Each contributor takes down a part of it by name: the platform its containers or pods, a system
whatever else its drills could change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from drillbook.platforms import Stack

Fingerprint = Mapping[str, object]


def fingerprint(stack: Stack) -> Fingerprint:
    """Take down all that a drill could leave changed."""
    taken: dict[str, object] = {}
    contributors = stack.system.residue
    with ThreadPoolExecutor(max(1, len(contributors))) as beside:  # while the platform answers
        asked = [beside.submit(one, stack) for one in contributors]
        taken.update(stack.fingerprint())
        for one in asked:
            taken.update(one.result())
    return taken


def files(folder: Path, *patterns: str) -> Callable[[Stack], Mapping[str, object]]:
    """A contributor: the digests of the files below a folder that match one of the patterns."""

    def contribute(_: Stack) -> Mapping[str, object]:
        return {"files": digests(folder, patterns)}

    return contribute


def digests(folder: Path, patterns: Iterable[str]) -> dict[str, str]:
    """The digest of each file below a folder that matches a pattern, by its path in it."""
    kept = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in sorted(kept)
        if "__pycache__" not in path.parts
    }


def differences(before: Fingerprint, after: Fingerprint) -> list[str]:
    """Say in words what differs, a line each."""
    changes = []
    for name in sorted({*before, *after}):
        was, now = before.get(name, "not there"), after.get(name, "not there")
        if was == now:
            continue
        if isinstance(was, dict) and isinstance(now, dict):
            keys = sorted(k for k in {*was, *now} if was.get(k) != now.get(k))
            changes += [f"{name}: {k} was {was.get(k)}, is {now.get(k)}" for k in keys]
        else:
            changes.append(f"{name}: was {was}, is {now}")
    return changes
