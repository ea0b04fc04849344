"""The command line of ``./run probes``."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HISTORY = ROOT / "reports" / "runs" / "probes" / "history.db"
LISTEN = "127.0.0.1:9797"
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    targets: list[Path]
    list_only: bool
    every_s: float | None
    history: Path | None
    keep_days: float
    listen: tuple[str, int]
    page: str
    junit: Path | None
    json: Path | None
    textfile: Path | None
    runbook: Path
    lock: Path | None

    def files(self) -> list[Path]:
        """The targets' files; a folder stands for all in it."""
        found: list[Path] = []
        for one in self.targets:
            found += sorted(one.glob("*.toml")) if one.is_dir() else [one]
        return found


def parse(argv: list[str]) -> Options:
    """Read the command line; exits with status 4 where it is wrong."""
    read = _parser().parse_args(argv)
    host, _, port = str(read.listen).rpartition(":")
    listen = (host.strip("[]"), int(port))
    once = read.every is None
    return Options(
        targets=read.target,
        list_only=read.list,
        every_s=read.every,
        history=read.history or (None if once or read.list else HISTORY),
        keep_days=read.keep_days,
        listen=listen,
        page=read.page or ("" if once else f"http://{read.listen}"),
        junit=read.junit,
        json=read.json,
        textfile=read.textfile,
        runbook=read.runbook,
        lock=read.lock,
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        """Exit with the status that all jobs have for wrong use."""
        self.print_usage()
        self.exit(4, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="./run probes", description=__doc__)
    add = parser.add_argument
    add("--target", type=Path, action="append", required=True, metavar="FILE",
        help="a target's TOML file, or a folder of them; can be repeated")  # fmt: skip
    add("--list", action="store_true", help="say what would be asked, and ask nothing")
    add("--every", type=duration, metavar="TIME", help="go on, a round every 60s, 5m, 1h")
    add("--history", type=Path, metavar="FILE", help=f"SQLite; with --every {HISTORY.name}")
    add("--keep-days", type=float, default=31.0, metavar="N", help="age at which it forgets")
    add("--listen", type=_address, default=LISTEN, metavar="HOST:PORT",
        help=f"status page and /metrics, with --every ({LISTEN})")  # fmt: skip
    add("--page", default="", metavar="URL", help="where others reach the status page")
    add("--junit", type=Path, metavar="FILE")
    add("--json", type=Path, metavar="FILE")
    add("--textfile", type=Path, metavar="FILE", help="metrics for node exporter's collector")
    add("--runbook", type=Path, default=ROOT / "runbook.md", metavar="FILE")
    add("--lock", type=Path, metavar="FILE", help="default: beside the runbook")
    return parser


def duration(text: str) -> float:
    """Seconds, of ``500ms``, ``60s``, ``5m`` or ``1h``. Raises argparse's error."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if found is None or float(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}: allowed: a time such as 500ms, 60s, 5m, 1h")
    return float(found[1]) * SECONDS[found[2]]


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r}: allowed: HOST:PORT")
    return text
