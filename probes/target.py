"""A target as its TOML file describes it: where it is, what to ask, and what must not be done."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from datetime import datetime, time
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PositiveFloat,
    StringConstraints,
    Tag,
    ValidationError,
    model_validator,
)

from drillbook.panels import Panel, panels
from probes.addresses import is_loopback
from probes.redaction import TOO_SHORT, Redaction

Entry = Literal["2.1", "2.2", "2.3", "2.4", "3.1", "4.1", "4.2", "4.3", "5.1", "5.2"]
ENTRIES: tuple[Entry, ...] = get_args(Entry)
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# Whoever has one of these may do things; its value does not belong into a file that is shared.
SECRET_HEADERS = frozenset(
    ("authorization", "cookie", "proxy-authorization", "x-api-key", "x-auth-token", "api-key")
)
RATE_INTERVAL = "5m"
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class TargetError(Exception):
    """A target's file is missing or wrong; the message names file, key and allowed values."""


def _web_address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("allowed: an address such as https://staging.example.org")
    if parts.username or parts.password:
        raise ValueError("no name or password in an address: use headers, with env or file")
    if parts.query or parts.fragment:
        raise ValueError("allowed: an address without ?query and #fragment")
    return text.rstrip("/")


def _path(text: str) -> str:
    if not text.startswith("/") or text.startswith("//"):
        raise ValueError("allowed: a path that begins with one /")
    return text


Address = Annotated[str, AfterValidator(_web_address)]
PathAndQuery = Annotated[str, AfterValidator(_path)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]


class Table(BaseModel):
    """A table of the file: it has the keys that are named here and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SecretFrom(Table):
    """Where a secret is: a variable of the environment, or a file (its last newline is cut)."""

    env: str = ""
    file: Path | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if bool(self.env) == bool(self.file):
            raise ValueError('allowed: { env = "VARIABLE" } or { file = "PATH" }')
        return self


# Told apart by kind, so that an error is about the one that was meant. The tags are no keys.
TEXT, SECRET = "<text>", "<secret>"
HeaderValue = Annotated[
    Annotated[str, Tag(TEXT)] | Annotated[SecretFrom, Tag(SECRET)],
    Discriminator(lambda value: TEXT if isinstance(value, str) else SECRET),
]
Headers = dict[str, HeaderValue]


class Invalid(Table):
    """A request that the target must refuse with 422, naming the field (2.2)."""

    path: PathAndQuery
    field: str
    json_body: Any = Field(default=None, alias="json")
    refused_before_write: bool = False

    @property
    def method(self) -> Literal["GET", "POST"]:
        """POST where there is a body to send, else the safe GET."""
        return "GET" if self.json_body is None else "POST"

    @model_validator(mode="after")
    def _said_to_be_harmless(self) -> Self:
        if self.method == "POST" and not self.refused_before_write:
            raise ValueError(
                "json is sent by POST: say refused_before_write = true if the target checks it "
                "before anything is written; allowed without: a path with an invalid query, no json"
            )
        return self


class Budgets(Table):
    """What an answer may take, in seconds, as a whole and by phase."""

    total_s: PositiveFloat = 1.0
    resolve_s: PositiveFloat | None = None
    connect_s: PositiveFloat | None = None
    tls_s: PositiveFloat | None = None
    processing_s: PositiveFloat | None = None
    """From the request to the first byte of the answer."""


class Cors(Table):
    """The origins whose pages may read the answers, and one that may not (2.4)."""

    path: PathAndQuery = "/"
    origins: Annotated[list[Address], Field(min_length=1)]
    unlisted: Address = "https://origin.invalid"
    browser: str = ""
    """Path of a Chromium, to look in a real browser as well."""


class Tls(Table):
    """How the certificate is held to be right (4.3)."""

    trust: str = "system"
    """``system``, ``self-signed`` (on this machine only), or the path of a PEM file."""
    days: float = Field(default=14.0, ge=0)
    redirect: bool = False
    """Plain HTTP must lead to HTTPS."""


class Prometheus(Table):
    """A Prometheus, and the dashboards whose panels must have data."""

    url: Address
    headers: Headers = {}
    dashboards: Path | None = None
    """A folder of dashboards as JSON, where no Grafana is to be asked for them."""


class Grafana(Table):
    """A Grafana that is asked for its dashboards."""

    url: Address
    headers: Headers = {}


class Engine(Table):
    """A container engine's address; only its listing is asked for (4.1)."""

    address: Annotated[str, StringConstraints(pattern=r"^(unix|tcp|https?)://")] = ""
    """By default what DOCKER_HOST says, else the usual socket."""
    project: str
    """The Compose project; ``shop-*`` stands for any that begins so."""
    services: Annotated[list[str], Field(min_length=1)]


class Cluster(Table):
    """A Kubernetes API server; only pods are listed (4.1)."""

    url: Address
    namespace: Name = "default"
    selector: str = ""
    headers: Headers = {}


class Limits(Table):
    """What the target is to bear at most."""

    per_second: PositiveFloat = 20.0
    at_once: int = Field(default=4, ge=1, le=64)
    deadline_s: float = Field(default=5.0, gt=0, le=120)


class Damping(Table):
    """A probe is red once it fired in ``fired`` of its last ``of`` rounds."""

    fired: int = Field(default=2, ge=1)
    of: int = Field(default=3, ge=1, le=100)

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.fired > self.of:
            raise ValueError(f"fired = {self.fired} of = {self.of}: allowed: fired up to of")
        return self


class Maintenance(Table):
    """A time in which nobody is called: once, or every week."""

    reason: str
    begins: datetime | None = None
    ends: datetime | None = None
    days: list[Day] = []
    at: time | None = None
    until: time | None = None
    zone: str = "UTC"

    @model_validator(mode="after")
    def _once_or_weekly(self) -> Self:
        once = self.begins is not None and self.ends is not None
        weekly = bool(self.days) and self.at is not None and self.until is not None
        if once == weekly:
            raise ValueError("allowed: begins and ends, or days, at and until (and zone)")
        if self.begins and self.ends:
            if self.begins.tzinfo is None or self.ends.tzinfo is None:
                raise ValueError("begins and ends need a zone: 2026-11-25T22:00:00Z")
            if self.begins >= self.ends:
                raise ValueError("begins must be before ends")
        try:
            ZoneInfo(self.zone)
        except (LookupError, ValueError, OSError) as error:
            raise ValueError(f"there is no zone {self.zone!r}; one is Europe/Berlin") from error
        return self


class Webhook(Table):
    """Where incidents are reported, in Alertmanager's payload."""

    url: HeaderValue
    headers: Headers = {}


class Step(Table):
    """One step of a journey. ``{name}`` in path and json is what an earlier step saved."""

    method: Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    path: PathAndQuery
    headers: dict[str, str] = {}
    json_body: Any = Field(default=None, alias="json")
    status: int = Field(default=200, ge=100, le=599)
    save: dict[str, str] = {}
    """Names for values of the answer, by their key: ``{ order = "id" }``."""
    undo: bool = False
    """Done whatever became of the steps before, if what it names was saved."""


class Journey(Table):
    """What a customer does; ``{customer}`` is a mark by which its traces are found again."""

    entry: Entry = "2.1"
    steps: Annotated[list[Step], Field(min_length=1)]

    @property
    def writes(self) -> bool:
        """Whether a step uses a method that is not safe."""
        return any(step.method not in SAFE for step in self.steps)


class Target(Table):
    """All that a target's file says."""

    name: Name
    url: Address
    https: Address | None = None
    backend: Address | None = None
    headers: Headers = {}
    allow_private: bool = False
    allow_writes: bool = False
    entries: list[Entry] = list(ENTRIES)
    walk: Annotated[list[PathAndQuery], Field(min_length=1)] = ["/"]
    health: PathAndQuery = "/health"
    generic_error: Annotated[str, StringConstraints(min_length=3)] = "An unexpected error occurred"
    invalid: Invalid | None = None
    budgets: Budgets = Budgets()
    cors: Cors | None = None
    tls: Tls = Tls()
    prometheus: Prometheus | None = None
    grafana: Grafana | None = None
    engine: Engine | None = None
    cluster: Cluster | None = None
    journey: Journey | None = None
    limits: Limits = Limits()
    damping: Damping = Damping()
    maintenance: list[Maintenance] = []
    webhook: Webhook | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.tls.trust == "self-signed" and not all(
            is_loopback(urlsplit(one).hostname or "") for one in (self.url, self.https or self.url)
        ):
            raise ValueError(
                'tls.trust = "self-signed" is allowed for this machine only; '
                'allowed elsewhere: "system" or the path of a PEM file'
            )
        if self.journey and self.journey.writes and not self.allow_writes:
            raise ValueError(
                "journey has a step that writes: say allow_writes = true; "
                f"allowed without: {', '.join(sorted(SAFE))}"
            )
        if self.https and not self.https.startswith("https:"):
            raise ValueError("https must begin with https://")
        return self


class Settings:
    """A target with its secrets fetched. They are in no repr, and in its redaction."""

    def __init__(self, target: Target, file: Path) -> None:
        self.target, self.file = target, file
        self.redaction = Redaction()
        self._folder = file.resolve().parent
        self.headers = self._headers("headers", target.headers)
        prometheus, grafana, cluster = target.prometheus, target.grafana, target.cluster
        self.prometheus_headers = self._headers("prometheus.headers", _of(prometheus))
        self.grafana_headers = self._headers("grafana.headers", _of(grafana))
        self.cluster_headers = self._headers("cluster.headers", _of(cluster))
        self.webhook_url = ""
        self.webhook_headers: dict[str, str] = {}
        if target.webhook is not None:
            self.webhook_url = self._secret("webhook.url", target.webhook.url)
            try:
                parts = urlsplit(self.webhook_url)
                if parts.scheme not in ("http", "https") or not parts.hostname:
                    raise ValueError  # noqa: TRY301 - one message for both
            except ValueError:
                raise self._error(
                    "webhook.url", "allowed: an http:// or https:// address"
                ) from None
            self.webhook_headers = self._headers("webhook.headers", target.webhook.headers)
        self.panels: list[Panel] = []
        """Whose data is asked for: those of the folder of dashboards, and what Grafana adds."""
        if prometheus is not None and prometheus.dashboards is not None:
            self.panels = self._panels(self.path(prometheus.dashboards))

    @property
    def name(self) -> str:
        """The target's name."""
        return self.target.name

    def path(self, path: Path) -> Path:
        """A path of the file, which is relative to the file's own folder."""
        return path if path.is_absolute() else self._folder / path

    def _panels(self, folder: Path) -> list[Panel]:
        try:
            found = panels(folder, RATE_INTERVAL)
        except (OSError, ValueError, KeyError) as error:
            raise self._error("prometheus.dashboards", f"{folder}: {error}") from None
        if not found:
            words = f"{folder} holds no dashboard; allowed: a folder of Grafana's JSON files"
            raise self._error("prometheus.dashboards", words)
        return found

    def _headers(self, key: str, headers: Mapping[str, HeaderValue]) -> dict[str, str]:
        for name, value in headers.items():
            if isinstance(value, str) and name.lower() in SECRET_HEADERS:
                raise self._error(
                    f"{key}.{name}", 'a secret; allowed: { env = "VARIABLE" } or { file = "PATH" }'
                )
        fetched = {name: self._secret(f"{key}.{name}", value) for name, value in headers.items()}
        for name, value in fetched.items():
            if not value.isprintable() or not value.isascii():
                raise self._error(f"{key}.{name}", "allowed: printable ASCII on one line")
        return fetched

    def _secret(self, key: str, value: HeaderValue) -> str:
        if isinstance(value, str):
            return value
        secret = self._fetched(key, value)
        if len(secret) < TOO_SHORT:
            where = value.env or value.file
            raise self._error(key, f"{where} holds no secret of {TOO_SHORT} characters or more")
        self.redaction.add(secret)
        return secret

    def _fetched(self, key: str, value: SecretFrom) -> str:
        if value.env:
            if value.env not in os.environ:
                raise self._error(f"{key}.env", f"the variable {value.env} is not set")
            return os.environ[value.env]
        path = self.path(value.file or Path())
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is not text"
            raise self._error(f"{key}.file", f"{path}: {reason}") from None

    def _error(self, key: str, words: str) -> TargetError:
        return TargetError(f"{self.file}: {key}: {words}")


def load(file: Path) -> Settings:
    """Read a target's file and fetch its secrets. Raises TargetError."""
    try:
        with file.open("rb") as opened:
            read = tomllib.load(opened)
    except OSError as error:
        raise TargetError(f"{file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TargetError(f"{file}: not TOML: {error}") from None
    read.setdefault("name", file.stem)
    try:
        target = Target.model_validate(read)
    except ValidationError as error:
        raise TargetError("\n".join(_lines(file, error))) from None
    return Settings(target, file)


def _of(table: Prometheus | Grafana | Cluster | None) -> Headers:
    return table.headers if table else {}


def _lines(file: Path, error: ValidationError) -> list[str]:
    """One line a fault: the file, the key, what is allowed. Never the value: it may be secret."""
    lines = {}
    for one in error.errors(include_input=False, include_url=False):
        key = ".".join(str(part) for part in one["loc"] if part not in (TEXT, SECRET))
        words = one["msg"].removeprefix("Value error, ")
        if one["type"] == "extra_forbidden":
            words = f"there is no such key; allowed: {', '.join(_keys(one['loc'][:-1]))}"
        lines[key or "the file"] = words
    return [f"{file}: {key}: {words}" for key, words in lines.items()]


def _keys(place: tuple[int | str, ...]) -> list[str]:
    """The keys that a table of the file may have."""
    table: type[BaseModel] = Target
    for part in place:
        if part == SECRET:
            table = SecretFrom
        elif part in table.model_fields:
            table = _table_in(table.model_fields[str(part)].annotation) or table
    return sorted(_by_key(table))


def _by_key(table: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in table.model_fields.items()]


def _table_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_table_in(one) for one in get_args(annotation))
    return next((one for one in inner if one is not None), None)
