"""``./run probes --target FILE``: look once, or go on looking.

Exit status: 0 every probe is up; 1 one is down, or could not tell; 2 interrupted; 3 it could not
begin or go on (a port taken, a history that cannot be written); 4 wrong use (a target's file).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import traceback

from drillbook.runbook import RunbookError, load
from drillbook.runbook.lock import LockError
from probes import dashboards, output, provenance, server
from probes.arguments import Options, parse
from probes.client import Client
from probes.history import History, HistoryError
from probes.metrics import registry_of
from probes.redaction import RedactingFormatter, Redaction
from probes.server import PortTaken
from probes.states import Result
from probes.target import Settings, TargetError
from probes.target import load as load_target
from probes.watch import ONCE_S, Watch, watch

UP, DOWN, INTERRUPTED, FAILED, WRONG_USE = 0, 1, 2, 3, 4


def main(argv: list[str]) -> int:
    """Do what the arguments say; the exit status."""
    options = parse(argv)
    redaction = Redaction()
    _log_redacted(redaction)
    try:
        settings = _settings(options, redaction)
        return asyncio.run(_run(options, settings, redaction))
    except KeyboardInterrupt:
        return INTERRUPTED
    except (TargetError, RunbookError, LockError) as error:
        _complain(redaction(str(error)))
        return WRONG_USE
    except (HistoryError, PortTaken, OSError) as error:
        _complain(redaction(str(error)))
        return FAILED
    except Exception:  # noqa: BLE001 - a traceback may quote what must not be shown
        _complain(redaction(traceback.format_exc()))
        return FAILED


def _settings(options: Options, redaction: Redaction) -> list[Settings]:
    """The targets of the command line. Raises TargetError, with all that is wrong in any."""
    made, errors = [], []
    for file in options.files():
        try:
            made.append(load_target(file))
        except TargetError as error:
            errors.append(str(error))
    if errors:
        raise TargetError("\n".join(errors))
    for one in made:
        redaction.update(one.redaction)
    names = [one.name for one in made]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise TargetError(f"two targets are called {', '.join(sorted(twice))}: set name in one")
    return made


async def _run(options: Options, settings: list[Settings], redaction: Redaction) -> int:
    runbook = load(options.runbook)
    provenances = provenance.read(options.lock or options.runbook.with_suffix(".lock"), runbook)
    with contextlib.ExitStack() as closing, contextlib.suppress(asyncio.CancelledError):
        client = Client()
        path = options.history
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        history = History(path, keep_days=options.keep_days, say=_complain)
        closing.callback(history.close)
        try:
            watches = []
            for one in settings:
                await dashboards.add_from_grafana(one, client)
                made = watch(
                    one, client, runbook, provenances, history, page=options.page, say=_complain
                )
                made.prober.redaction = redaction
                watches.append(made)
            return await _look(options, watches)
        finally:
            await client.close()
    return INTERRUPTED


async def _look(options: Options, watches: list[Watch]) -> int:
    if options.list_only:
        _print("\n\n".join(output.listing(one) for one in watches))
        return UP
    if options.every_s is not None:
        await server.serve(options, watches, _print)
        return UP
    return await _once(options, watches)


async def _once(options: Options, watches: list[Watch]) -> int:
    rounds = await asyncio.gather(*(one.round(ONCE_S) for one in watches))
    looked = list(zip(watches, rounds, strict=True))
    for one, results in looked:
        _print_target(one, results)
    await asyncio.gather(*(one.deliver_once(ONCE_S) for one in watches))
    if options.junit:
        output.write(options.junit, output.junit(looked))
    if options.json:
        output.write(options.json, output.as_json(looked))
    if options.textfile:
        server.write_textfile(options.textfile, registry_of(watches))
    quiet = [one for one in watches if one.counts.maintenance]
    counted = [result for one, results in looked if one not in quiet for result in results]
    return UP if all(one.outcome == "up" for one in counted) else DOWN


def _print_target(one: Watch, results: list[Result]) -> None:
    reason = f"  (maintenance: {one.counts.maintenance})" if one.counts.maintenance else ""
    _print(f"{one.state.name}  {one.url}{reason}")
    for result in results:
        _print(output.line(result, one.provenance[result.probe.name]))
    for entry in output.led_to(results, one):
        _print(f"  follow {entry}")


def _log_redacted(redaction: Redaction) -> None:
    """Whatever a library logs, a traceback included, passes through the redaction."""
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter(redaction, "%(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _complain(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
