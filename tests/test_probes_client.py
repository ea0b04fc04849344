"""How a target is asked: phases, deadlines, kinds of failure, and what it must never be told."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp.abc import AbstractResolver, ResolveResult

from drillbook.detectors.http import Exchange
from probes import addresses
from probes.addresses import is_public
from probes.client import Client, Line, Request, origin_of
from tests.probe_target import FakeTarget, open_target

PHASES = {"resolve", "connect", "processing", "transfer"}


@pytest.fixture
def target() -> Iterator[FakeTarget]:
    with open_target() as opened:
        yield opened


def ask(request: Request, **options: Any) -> Exchange:
    options = {"allow_private": True, "deadline_s": 3.0, **options}

    async def asked() -> Exchange:
        client = Client()
        try:
            return await Line(client, **options).ask(request)
        finally:
            await client.close()

    return asyncio.run(asked())


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What DNS answers: nothing leaves this process."""
    answers: dict[str, str] = {}

    class Faked(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            if host not in answers:
                raise OSError(f"no such name: {host}")
            return [
                ResolveResult(
                    hostname=host,
                    host=answers[host],
                    port=port,
                    family=socket.AF_INET,
                    proto=0,
                    flags=socket.AI_NUMERICHOST,
                )
            ]

        async def close(self) -> None:
            """Nothing is held."""

    monkeypatch.setattr(addresses, "ThreadedResolver", Faked)
    return answers


# --- what is measured ----------------------------------------------------------------------------
def test_each_phase_is_timed_and_they_add_up(target: FakeTarget, names: dict[str, str]) -> None:
    names["shop.test"] = "127.0.0.1"
    target.delay_s = 0.2
    url = target.url.replace("127.0.0.1", "shop.test")
    answer = ask(Request("GET", f"{url}/items"))
    assert answer.status == 200
    assert set(answer.phases_s) == PHASES
    assert answer.phases_s["processing"] >= 0.2
    assert all(took_s >= 0 for took_s in answer.phases_s.values())
    assert sum(answer.phases_s.values()) <= answer.took_s


def test_a_handshake_has_a_phase_of_its_own_and_shows_the_end_of_the_certificate(
    tmp_path: Path,
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    end = dt.datetime.now(dt.UTC) + dt.timedelta(days=40)
    with open_target(certificate=authority.issue_cert("127.0.0.1", not_after=end)) as target:
        answer = ask(Request("GET", f"{target.url}/items"), trust=str(tmp_path / "ca.pem"))
    assert answer.status == 200, answer
    assert set(answer.phases_s) == PHASES | {"tls"}
    assert answer.phases_s["tls"] > 0
    assert answer.expires_at == pytest.approx(end.timestamp(), abs=2)


# --- failures ------------------------------------------------------------------------------------
def test_a_target_that_hangs_is_given_up_at_the_deadline(target: FakeTarget) -> None:
    target.hangs = True
    answer = ask(Request("GET", f"{target.url}/items"), deadline_s=0.3)
    assert answer.failure == "timeout"
    assert 0.3 <= answer.took_s < 2


def test_a_port_that_nobody_listens_on_is_refused(target: FakeTarget) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    assert ask(Request("GET", f"http://127.0.0.1:{port}/")).failure == "refused"


def test_a_name_that_does_not_resolve(names: dict[str, str]) -> None:
    answer = ask(Request("GET", "http://nowhere.test/"))
    assert answer.failure == "name"
    assert "no such name" in answer.error


@pytest.mark.parametrize(
    ("trusted", "name", "days", "says"),
    [
        (False, "127.0.0.1", 30, "self-signed certificate|unable to get local issuer"),
        (True, "other.example", 30, "IP address mismatch|not valid for|mismatch"),
        (True, "127.0.0.1", -1, "expired"),
    ],
    ids=["an unknown authority", "another host's name", "past its end"],
)
def test_a_certificate_that_does_not_hold_is_refused(
    tmp_path: Path, trusted: bool, name: str, days: int, says: str
) -> None:
    authority, other = trustme.CA(), trustme.CA()
    (authority if trusted else other).cert_pem.write_to_path(tmp_path / "ca.pem")
    end = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    with open_target(certificate=authority.issue_cert(name, not_after=end)) as target:
        answer = ask(
            Request("GET", f"{target.url}/items"),
            trust=str(tmp_path / "ca.pem"),
            headers={origin_of(target.url): {"Authorization": "canary"}},
        )
        assert not target.headers, "it was told something before its certificate was looked at"
    assert answer.failure == "tls"

    assert re.search(says, answer.error), answer.error


def test_a_self_signed_certificate_is_its_own_authority_and_its_name_counts() -> None:
    authority = trustme.CA()
    with open_target("127.0.0.1", certificate=authority.issue_cert("elsewhere.example")) as target:
        answer = ask(Request("GET", f"{target.url}/items"), trust="self-signed")
    assert answer.failure == "tls"


# --- what must not be told, and where nobody may be led -------------------------------------------
def test_no_header_of_the_target_goes_to_another_host_after_a_redirect(target: FakeTarget) -> None:
    with open_target("127.0.0.2") as other:
        target.redirect = f"{other.url}/items"
        headers = {origin_of(target.url): {"Authorization": "canary", "X-Api-Key": "canary"}}
        answer = ask(Request("GET", f"{target.url}/items", follow=True), headers=headers)
        assert answer.status == 200
        assert [one["Authorization"] for one in target.headers] == ["canary"]
        assert len(other.headers) == 1
        assert "canary" not in str(other.headers)


def test_another_port_or_scheme_of_the_host_is_another_origin(target: FakeTarget) -> None:
    with open_target() as other:
        target.redirect = f"{other.url}/items"
        headers = {origin_of(target.url): {"Authorization": "canary"}}
        ask(Request("GET", f"{target.url}/items", follow=True), headers=headers)
        assert "canary" not in str(other.headers)


def test_redirects_in_a_circle_end(target: FakeTarget) -> None:
    target.redirect = f"{target.url}/items"
    answer = ask(Request("GET", f"{target.url}/items", follow=True))
    assert "redirects" in answer.error
    assert target.asked["GET /items"] == 6


INSIDE = """
    10.1.2.3 172.16.0.1 192.168.1.1 127.0.0.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 ::1
    fe80::1 fc00::1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 64:ff9b::a00:1 2002:a00:1::
"""


@pytest.mark.parametrize("address", INSIDE.split())
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


def test_a_dns_answer_that_leads_inside_is_refused_before_anything_is_sent(
    target: FakeTarget, names: dict[str, str]
) -> None:
    names["shop.test"] = "127.0.0.1"
    url = target.url.replace("127.0.0.1", "shop.test")
    answer = ask(Request("GET", f"{url}/items"), allow_private=False)
    assert answer.failure == "name"
    assert "resolves to 127.0.0.1, in a private range; allow_private" in answer.error
    assert not target.headers


def test_an_address_inside_that_is_written_out_is_refused_too(target: FakeTarget) -> None:
    answer = ask(Request("GET", f"{target.url}/items"), allow_private=False)
    assert "private range" in answer.error
    assert not target.headers


def test_proxies_of_the_environment_are_not_asked(
    target: FakeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert ask(Request("GET", f"{target.url}/items")).status == 200


def test_a_body_without_end_is_cut(target: FakeTarget) -> None:
    target.body = "x" * 300_000
    assert len(ask(Request("GET", f"{target.url}/items")).body) == 64 * 1024
