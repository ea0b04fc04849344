r"""The commands that a scenario types: words, what they must show, session and deadline.

A scenario names a command as the runbook has it, once for each platform that the line has a form
for; the drill types the form of the platform it runs on::

    drill.step(1, compose("docker compose ps -a db", shows=r"Exited \(137\)"),
                  kubectl("kubectl get pods -l app=db", shows="0/1"))

Every name of a ``<placeholder>`` that the platform does not know goes into ``fill``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from drillbook.looking import Action, Look
from drillbook.runbook import Platform
from drillbook.terminal import DEADLINE_S, Typed

PLACEHOLDER = re.compile(r"<([A-Za-z][\w -]*)>")


class MissingPlaceholder(ValueError):
    """A scenario gave no value for a placeholder of the command that it types."""


@dataclass(frozen=True)
class Command:
    """A command of the runbook, with what a person expects of it.

    ``platform`` is None for words that are the same on every platform. ``shows`` is a regular
    expression that the output must match; a command without one must succeed. ``session`` holds
    the lines typed at the prompt that the command opens.
    """

    platform: Platform | None
    words: str
    shows: str = ""
    session: tuple[Typed, ...] = ()
    fill: Mapping[str, str] = field(default_factory=dict)
    stop_when_shown: bool = False
    deadline_s: float = DEADLINE_S

    @property
    def lines(self) -> list[Typed]:
        """All that is typed, placeholders not yet filled in."""
        return [Typed(self.words, self.shows, self.stop_when_shown), *self.session]


Doing = Command | Look | Action


def compose(  # noqa: PLR0913 - a command and what is expected of it read best in one call
    words: str,
    *,
    shows: str = "",
    session: Sequence[Typed] = (),
    fill: Mapping[str, str] | None = None,
    stop_when_shown: bool = False,
    deadline_s: float = DEADLINE_S,
) -> Command:
    """Name a command that is typed where the system runs on Docker Compose.

    ``fill`` gives the placeholders' values by their names as the runbook writes them.
    ``stop_when_shown`` presses Ctrl-C on a command that never ends, once it has shown it.
    """
    return Command("compose", words, shows, tuple(session), fill or {}, stop_when_shown, deadline_s)


def kubectl(  # noqa: PLR0913
    words: str,
    *,
    shows: str = "",
    session: Sequence[Typed] = (),
    fill: Mapping[str, str] | None = None,
    stop_when_shown: bool = False,
    deadline_s: float = DEADLINE_S,
) -> Command:
    """Name a command that is typed where the system runs on Kubernetes. See ``compose``."""
    return Command(
        "kubernetes", words, shows, tuple(session), fill or {}, stop_when_shown, deadline_s
    )


def anywhere(  # noqa: PLR0913
    words: str,
    *,
    shows: str = "",
    session: Sequence[Typed] = (),
    fill: Mapping[str, str] | None = None,
    stop_when_shown: bool = False,
    deadline_s: float = DEADLINE_S,
) -> Command:
    """Name a command whose words are the same on every platform. See ``compose``."""
    return Command(None, words, shows, tuple(session), fill or {}, stop_when_shown, deadline_s)


def for_platform(forms: Sequence[Doing], platform: Platform) -> Doing | None:
    """Choose what is done on a platform; None where every form is another platform's.

    Raises TypeError where ``forms`` is no single look, action or command: code and commands
    mixed, two commands of one platform, a plain function, nothing at all.
    """
    commands = [one for one in forms if isinstance(one, Command)]
    if len(commands) != len(forms) or not forms:
        if len(forms) == 1 and isinstance(forms[0], Look | Action):
            return forms[0]
        given = ", ".join(type(one).__name__ for one in forms) or "nothing"
        raise TypeError(
            "a step is followed by one Look, one Action or one command, in the form of each "
            f"platform; given: {given}"
        )
    platforms = [one.platform for one in commands]
    if len(set(platforms)) != len(platforms) or (None in platforms and len(platforms) > 1):
        raise TypeError(f"two commands for one platform: {', '.join(c.words for c in commands)}")
    return next((one for one in commands if one.platform in (None, platform)), None)


def words_of(doing: Doing) -> str:
    """Say in words what is typed, done or looked for."""
    return doing.words if isinstance(doing, Command) else doing.what


def filled(command: str, values: Mapping[str, str], *, strict: bool = True) -> str:
    """Fill in each ``<placeholder>`` by its name as written.

    Raises MissingPlaceholder where ``strict`` and a value is missing.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name in values:
            return values[name]
        if strict:
            message = f"`{command}` wants a value for {match[0]}: pass fill={{{name!r}: …}}"
            raise MissingPlaceholder(message)
        return match[0]

    return PLACEHOLDER.sub(value, command)
