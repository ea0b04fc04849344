"""A target's file: what it may say, and how it is told what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from probes.target import ENTRIES, TargetError, load

ROOT = Path(__file__).parent.parent
MINIMAL = 'url = "https://shop.example"\n'


def refused(tmp_path: Path, text: str) -> str:
    file = tmp_path / "shop.toml"
    file.write_text(text)
    with pytest.raises(TargetError) as caught:
        load(file)
    return str(caught.value).replace(str(file), "FILE")


def test_a_base_url_is_enough(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text(MINIMAL)
    target = load(file).target
    assert target.name == "shop"
    assert target.entries == list(ENTRIES)
    assert not target.allow_writes
    assert not target.allow_private


def test_the_examples_are_valid(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert load(ROOT / "targets" / "local.toml").target.name == "local"
    text = (ROOT / "targets" / "staging.toml").read_text()
    secret = tmp_path / "cluster"
    secret.write_text("Bearer of-the-cluster\n")
    copy = tmp_path / "staging.toml"
    text = text.replace("/run/secrets/cluster", str(secret))
    copy.write_text(text.replace("../service", str(ROOT / "service")))
    monkeypatch.setenv("STAGING_AUTHORIZATION", "Bearer of-staging")
    monkeypatch.setenv("STAGING_GRAFANA", "Bearer of-grafana")
    monkeypatch.setenv("STAGING_WEBHOOK", "https://hooks.example/secret-path")
    settings = load(copy)
    assert settings.headers["Authorization"] == "Bearer of-staging"
    assert settings.cluster_headers == {"Authorization": "Bearer of-the-cluster"}
    assert settings.webhook_url == "https://hooks.example/secret-path"
    assert len(settings.panels) > 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "FILE: url: Field required"),
        ("url = 3", "FILE: url: Input should be a valid string"),
        ('url = "shop.example"', "FILE: url: allowed: an address such as https://"),
        ('url = "ftp://shop.example"', "FILE: url: allowed: an address"),
        ('url = "https://me:secret@shop.example"', "FILE: url: no name or password"),
        (MINIMAL + "speed = 3", "FILE: speed: there is no such key; allowed: allow_private"),
        (
            MINIMAL + "[limits]\nat_onze = 3",
            "FILE: limits.at_onze: there is no such key; allowed: at",
        ),
        (MINIMAL + "[limits]\nat_once = 900", "FILE: limits.at_once: Input should be less than"),
        (MINIMAL + 'entries = ["9.9"]', "FILE: entries.0: Input should be '2.1', '2.2'"),
        (MINIMAL + 'walk = ["items"]', "FILE: walk.0: allowed: a path that begins with one /"),
        (MINIMAL + 'walk = ["//other.example/"]', "FILE: walk.0: allowed: a path"),
        (MINIMAL + "[damping]\nfired = 4\nof = 3", "FILE: damping: fired = 4 of = 3"),
        (MINIMAL + '[tls]\ntrust = "self-signed"', "is allowed for this machine only"),
        (
            MINIMAL + '[headers]\nAuthorization = "x"',
            "FILE: headers.Authorization: a secret; allowed",
        ),
        (MINIMAL + "[headers]\nX = { envy = 'A' }", "FILE: headers.X.envy: there is no such key"),
        (MINIMAL + "[headers]\nX = { env = 'NOT_THERE' }", "FILE: headers.X.env: the variable NOT"),
        (MINIMAL + "[headers]\nX = { file = 'none' }", "FILE: headers.X.file: "),
        (MINIMAL + "[[maintenance]]\nreason = 'x'", "maintenance.0: allowed: begins and ends, or"),
        (
            MINIMAL
            + "[[maintenance]]\nreason='x'\nbegins=2026-01-01T00:00:00\nends=2026-01-02T00:00:00Z",
            "maintenance.0: begins and ends need a zone",
        ),
        (
            MINIMAL + "[[maintenance]]\nreason='x'\ndays=['monday']\n"
            "at=01:00:00\nuntil=02:00:00\nzone='Mars'",
            "maintenance.0: there is no zone 'Mars'",
        ),
        (
            MINIMAL + "[invalid]\npath='/orders'\nfield='x'\njson={ x = 1 }",
            "FILE: invalid: json is sent by POST: say refused_before_write",
        ),
        (
            MINIMAL + "[journey]\n[[journey.steps]]\npath='/orders'\nmethod='POST'",
            "journey has a step that writes: say allow_writes = true; allowed without: GET",
        ),
        (MINIMAL + "[webhook]\nurl = 'nowhere'", "FILE: webhook.url: allowed: an http"),
        ("url = ", "FILE: not TOML"),
    ],
)
def test_an_error_names_the_file_the_key_and_what_is_allowed(
    tmp_path: Path, text: str, says: str
) -> None:
    assert says in refused(tmp_path, text)


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    told = refused(tmp_path, 'url = "x"\n[limits]\nat_once = 0\nper_second = -1\n')
    assert len(told.splitlines()) == 3


def test_a_value_that_may_be_a_secret_is_never_in_a_message(tmp_path: Path) -> None:
    told = refused(tmp_path, MINIMAL + "headers = ['canary-1234']\nname = 'canary 1234 !'\n")
    assert "canary" not in told


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"none\.toml: No such file"):
        load(tmp_path / "none.toml")


def test_a_secret_of_a_file_or_a_variable_is_in_no_repr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("canary-of-a-file\r\n")
    monkeypatch.setenv("SECRET", "canary-of-a-variable")
    file = tmp_path / "shop.toml"
    file.write_text(MINIMAL + "[headers]\nA = { file = 'secret' }\nB = { env = 'SECRET' }\n")
    settings = load(file)
    assert settings.headers == {"A": "canary-of-a-file", "B": "canary-of-a-variable"}
    assert "canary" not in repr(settings) + repr(settings.target)


def test_a_secret_with_a_line_break_cannot_add_a_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "word\r\nX-Other: word")
    told = refused(tmp_path, MINIMAL + "[headers]\nA = { env = 'SECRET' }\n")
    assert "FILE: headers.A: allowed: printable ASCII on one line" in told
