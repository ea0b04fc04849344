"""Files of the checkout that containers read: readable for their users, whatever the umask was."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from drillbook.machine.refused import Refused

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("service", "drillbook/machine", "fixtures", "loadtests")
FOR_OTHERS = stat.S_IRGRP | stat.S_IROTH
INTO_FOLDERS = FOR_OTHERS | stat.S_IXGRP | stat.S_IXOTH


def make_readable(root: Path = ROOT, folders: Sequence[str] = FOLDERS) -> list[str]:
    """Let everybody read what containers mount or are built of; returns the folders changed.

    A clone under umask 077 keeps others out by its own folder's mode, which stays. Names with a
    dot in front are left alone: what is private may be there. Raises Refused.
    """
    changed: list[str] = []
    for name in folders:
        closed = [path for path in _below(root / name) if path.stat().st_mode != _opened(path)]
        for path in closed:
            try:
                path.chmod(_opened(path))
            except OSError as error:
                remedy = f"chmod -R go+rX {root / name}"
                raise Refused(f"{path} may not be read by containers' users: {remedy}") from error
        changed += [name] if closed else []
    return changed


def _below(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        return
    yield folder
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "__pycache__")) or path.is_symlink():
            continue
        if path.is_dir():
            yield from _below(path)
        else:
            yield path


def _opened(path: Path) -> int:
    """Its mode with what others need: to read, and to enter or execute where its owner may."""
    mode = path.stat().st_mode
    return mode | (INTO_FOLDERS if mode & stat.S_IXUSR else FOR_OTHERS)
