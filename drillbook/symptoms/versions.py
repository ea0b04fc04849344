"""Two versions of the service, asked side by side: is the one slower than the other?

They are asked in turn (A B, B A, A B …), so that whatever else the machine does happens to both,
and only a permutation test over the rounds may call one slower (drillbook.significance). It is
looked at once for each thing that a drill asks of it: is it slower, still slower, slower no more.
"""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from drillbook.looking import Look
from drillbook.significance import AFTER, BEFORE, Comparison, corrected, turns
from drillbook.symptoms import http

ROUNDS = 6
REQUESTS = 15
DEADLINE_S = 5.0


def slower_than(before_url: str, url: str, paths: Sequence[str]) -> Look:
    """Some path takes longer at ``url`` than at ``before_url``: by 10 % at least, at p <= 0.05."""

    def look() -> str:
        compared = compare(before_url, url, paths)
        told = "\n".join(str(one) for one in compared)
        worse = [one for one in compared if one.word == "regression"]
        assert worse, told
        return told

    return Look(f"{' or '.join(paths)} is slower than in the version before", look, once=True)


def compare(before_url: str, url: str, paths: Sequence[str]) -> list[Comparison]:
    """Each path's median time in ms, a value a round. Raises AssertionError for a refusal."""
    hosts = {BEFORE: before_url, AFTER: url}
    took_ms: dict[tuple[str, str], list[float]] = {(v, path): [] for v in hosts for path in paths}
    with httpx.Client(timeout=DEADLINE_S, trust_env=False) as client:
        for version, path in took_ms:  # the first requests of a connection are slow in either
            http.median_ms(hosts[version] + path, client)
        for version in turns(ROUNDS):
            for path in paths:
                round_ms = http.median_ms(hosts[version] + path, client, requests=REQUESTS)
                took_ms[version, path].append(round_ms)
    return corrected(
        [Comparison.of(f"{path} ms", took_ms[BEFORE, path], took_ms[AFTER, path]) for path in paths]
    )
