"""What Kubernetes says of pods, as its API lists them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drillbook.detectors import Detector

CRASHING = frozenset(
    ("CrashLoopBackOff", "Error", "RunContainerError", "CreateContainerError", "OOMKilled")
)


def crashing() -> Detector[Sequence[Mapping[str, Any]]]:
    """A pod is listed as `CrashLoopBackOff` or `Error`, or in another state that says as much.

    Judges the ``items`` of a PodList.
    """

    def judge(pods: Sequence[Mapping[str, Any]]) -> str:
        seen = [f"{pod['metadata']['name']} is {why}" for pod in pods for why in _reasons(pod)]
        assert seen, f"{len(pods)} pods, and none crashes"
        return "; ".join(seen)

    return Detector("a pod crashes or does not start", judge)


def _reasons(pod: Mapping[str, Any]) -> Iterator[str]:
    status = pod["status"]
    if status.get("phase") == "Failed":
        yield "Error"
    for container in status.get("containerStatuses", ()):
        for state in ("waiting", "terminated"):
            reason = container.get("state", {}).get(state, {}).get("reason", "")
            if reason in CRASHING:
                yield reason
