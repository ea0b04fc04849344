"""Reports incidents to a webhook, in the payload that Alertmanager sends to its receivers.

A report is kept in the history in the same transaction as what it reports, and forgotten once the
receiver has answered 2xx: it is delivered at least once, restarts included.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from drillbook.runbook import Runbook
from probes.client import Line, Request, origin_of
from probes.history import Delivery
from probes.states import Incident

VERSION = "4"
NOT_YET = "0001-01-01T00:00:00Z"
RECEIVER = "drillbook-probes"


def payload(
    incident: Incident, runbook: Runbook, *, page: str, provenance: Mapping[str, str]
) -> str:
    """The webhook's body for an incident that began, or ended."""
    entry = runbook.entries.get(incident.entry)
    title = entry.title if entry else ""
    anchor = entry.anchor if entry else ""
    status = "firing" if incident.ended is None else "resolved"
    labels = {
        "alertname": "ProbeDown",
        "entry": incident.entry,
        "target": incident.target,
        "severity": "page",
    }
    vouched = "; ".join(
        f"{name}: {provenance.get(name, 'no longer asked')}" for name in incident.probes
    )
    annotations = {
        "summary": f"{incident.target}: {incident.entry} {title}".rstrip(),
        "description": incident.saw,
        "runbook_url": f"{runbook.path.name}#{anchor}",
        "provenance": vouched,
    }
    alert = {
        "status": status,
        "labels": labels,
        "annotations": annotations,
        "startsAt": _moment(incident.began),
        "endsAt": NOT_YET if incident.ended is None else _moment(incident.ended),
        "generatorURL": f"{page}/targets/{quote(incident.target)}" if page else "",
        "fingerprint": _fingerprint(labels),
    }
    group = {"entry": incident.entry, "target": incident.target}
    document = {
        "version": VERSION,
        "groupKey": "{}:" + json.dumps(group, sort_keys=True, separators=(",", ":")),
        "truncatedAlerts": 0,
        "status": status,
        "receiver": RECEIVER,
        "groupLabels": group,
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": page,
        "alerts": [alert],
    }
    return json.dumps(document)


async def deliver(delivery: Delivery, url: str, headers: Mapping[str, str], line: Line) -> str:
    """Send a report once; returns why it was not acknowledged, empty where it was."""
    one = Line(line.client, allow_private=True, deadline_s=line.deadline_s)
    one.headers = {origin_of(url): headers}
    answer = await one.ask(Request("POST", url, json=delivery.payload))
    if answer.failure:
        return answer.error
    return "" if 200 <= answer.status < 300 else f"HTTP {answer.status}"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fingerprint(labels: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(labels, sort_keys=True).encode()).hexdigest()[:16]
