"""Settings: what they take, and the one line that refuses the rest."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support import make_settings

from app.core.config import ConfigurationError, load_settings

BACKEND = Path(__file__).parents[1]
GOOD = {
    "DATABASE_URL": "postgresql+asyncpg://user:hush@db:5432/mydatabase",
    "PAYMENTS_URL": "http://payments:9000",
    "CORS_ORIGINS": "http://localhost:3000, https://shop.example",
}


def _set(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name in ("DATABASE_URL", "PAYMENTS_URL", "CORS_ORIGINS", "GUNICORN_WORKERS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, {**GOOD, "GUNICORN_WORKERS": "4"})
    settings = load_settings()
    assert settings.cors_origins == ("http://localhost:3000", "https://shop.example")
    assert settings.gunicorn_workers == 4


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_any_postgres_scheme_means_asyncpg(scheme: str) -> None:
    settings = make_settings(database_url=f"{scheme}://user:hush@db/mydatabase")
    assert settings.database_url == "postgresql+asyncpg://user:hush@db/mydatabase"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"DATABASE_URL": ""}, "DATABASE_URL"),
        ({"DATABASE_URL": "mysql://user:hush@db/mydatabase"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql+asyncpg://user:hush@db"}, "DATABASE_URL: names no database"),
        ({"DATABASE_URL": "postgresql+psycopg2://user:hush@db/x"}, "DATABASE_URL: must begin"),
        ({"CORS_ORIGINS": "localhost:3000"}, "CORS_ORIGINS: 'localhost:3000' is no origin"),
        ({"CORS_ORIGINS": "http://localhost:3000/"}, "is more than an origin"),
        ({"CORS_ORIGINS": "*"}, "CORS_ORIGINS: '*' is no origin"),
        ({"PAYMENTS_URL": "payments:9000"}, "PAYMENTS_URL: must be an http://"),
        ({"GUNICORN_WORKERS": "many"}, "GUNICORN_WORKERS"),
        ({"GUNICORN_WORKERS": "0"}, "GUNICORN_WORKERS"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL"),
    ],
)
def test_one_line_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], complaint: str
) -> None:
    _set(monkeypatch, GOOD | changes)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hush" not in str(caught.value)


def test_every_fault_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, {"CORS_ORIGINS": "nowhere"})
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    for variable in ("DATABASE_URL is not set", "PAYMENTS_URL is not set", "CORS_ORIGINS"):
        assert variable in str(caught.value)


@pytest.mark.parametrize("module", ["app.migrate", "gunicorn"])
def test_a_process_ends_with_one_line_and_without_a_traceback(module: str) -> None:
    environment = {"PATH": os.environ["PATH"], "PAYMENTS_URL": "http://payments:9000"}
    ended = subprocess.run(  # noqa: S603 - our own interpreter and modules
        [
            sys.executable,
            "-m",
            module,
            *(["app.main:create_app()"] if module == "gunicorn" else []),
        ],
        cwd=BACKEND,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.stderr == "configuration error: DATABASE_URL is not set\n"
    assert ended.stdout == ""
    assert ended.returncode == os.EX_CONFIG


def test_the_password_is_not_shown() -> None:
    assert "hush" not in repr(make_settings())


@given(st.text(max_size=40))
def test_no_origin_makes_the_check_itself_fail(origin: str) -> None:
    try:
        settings = make_settings(cors_origins=origin)
    except ValidationError:
        return
    assert all("://" in kept for kept in settings.cors_origins)
