"""Keeps secrets out of whatever leaves the prober: output, metrics, history, page, traceback."""

from __future__ import annotations

import base64
import json
import logging
import re
from urllib.parse import quote, quote_plus

MASK = "********"
TOO_SHORT = 4  # to mask so short a word everywhere would garble, and tell what it is


class Redaction:
    """Replaces each secret that it was given, however it was written, by a mask."""

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, secret: str) -> None:
        """Mask a secret from now on; of ``Bearer SECRET`` the second word by itself too."""
        for one in {secret, *secret.split()}:
            if len(one) >= TOO_SHORT and one.lower() not in ("basic", "bearer", "token"):
                self._forms |= _forms(one)
        self._compile()

    def update(self, other: Redaction) -> None:
        """Mask what another one masks."""
        self._forms |= other._forms
        self._compile()

    def _compile(self) -> None:
        longest_first = sorted(self._forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)

    def __call__(self, text: str) -> str:
        """The text without any secret."""
        if self._pattern is None or not self._forms:
            return text
        return self._pattern.sub(MASK, text)


class RedactingFormatter(logging.Formatter):
    """Formats a record, its traceback included, and masks what is secret in it."""

    def __init__(self, redaction: Redaction, layout: str) -> None:
        super().__init__(layout)
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        """The record's line without any secret."""
        return self._redaction(super().format(record))


def _forms(secret: str) -> set[str]:
    """A secret as it may be written: as it is, in an address, in JSON, in base64."""
    encoded = base64.b64encode(secret.encode()).decode()
    forms = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret)}
    forms |= {json.dumps(secret)[1:-1], repr(secret)[1:-1], encoded, encoded.rstrip("=")}
    forms.add(secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
    return {form for form in forms if len(form) >= TOO_SHORT}
