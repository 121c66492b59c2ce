"""Errors for the user: one line that says what to do, and an exit code.

The command line turns every `HpsearchError` into its message and its exit code, in one
place (`hpsearch.cli.main`). Anything else that is raised is a bug: its traceback goes to a log file.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

EXIT_DONE = 0
EXIT_INTERNAL = 1
EXIT_BAD_INPUT = 2
EXIT_NO_GOOD_TRIAL = 3
EXIT_DISAGREE = 4
EXIT_INTERRUPTED = 130


class HpsearchError(Exception):
    """Something that the user can correct; the message is one clear line."""

    exit_code = EXIT_BAD_INPUT


class StudyFileError(HpsearchError):
    """A study file or a configuration breaks a rule.

    Args:
        problems: one line each: where (file and key path), what rule, what value.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class InvalidConfigError(HpsearchError):
    """A trial's configuration breaks a rule, for instance that two values, each allowed, cannot go together."""


class UnknownNameError(HpsearchError):
    """A name (study, dataset, trial) that does not exist; the known ones are listed."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(unknown_name(kind, name, known))


class NoGoodTrialError(HpsearchError):
    """No trial of a study has ended well, or none yet."""

    exit_code = EXIT_NO_GOOD_TRIAL

    def __init__(self, study: str, command: str) -> None:
        """Name the study, and the command that shows its trials."""
        super().__init__(f"study '{study}' has no good trial yet; see `{command}`")


class DataError(HpsearchError):
    """A dataset cannot be loaded, or is not the expected one."""


class UserCodeError(HpsearchError):
    """The user's own code, which a configuration names, is missing, raised, or returned something invalid."""


class EnvironmentProblem(HpsearchError):
    """Something on the machine is missing or cannot be used: a folder, a port, a database, a package."""


class StudyBusyError(HpsearchError):
    """Another coordinator holds the study."""


class StudyChangedError(HpsearchError):
    """The study exists, and its file now differs in values that decide how trials train."""


class ContentChangedError(HpsearchError):
    """The user's own data or modules have changed since the run began.

    Args:
        name: of the dataset or the file that has changed.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} has changed while the study ran, so the run has ended; run it again to see what has changed"
        )


def first_line(error: BaseException) -> str:
    """Return `ValueError: the reason` in one line, for an error of any kind.

    The reason is the first line of the error's text. Keras and TensorFlow begin with the place of an error and give the
    reason some lines further down; the result then has both.
    """
    return ": ".join(part for part in (type(error).__name__, reason_in(str(error))) if part)


def reason_in(text: str) -> str:
    """Return the reason that the text of an error gives, in one line; see `first_line`."""
    text = _BOLD.sub("", text)
    lines = [line.strip() for line in _ARGUMENTS.split(text)[0].splitlines() if line.strip()]
    if not lines:
        return ""
    first, rest = lines[0], lines[1:]
    if rest and first.startswith("Exception encountered when calling "):
        return f"{first.rstrip('.')}: {reason_in(_joined(rest))}"
    if rest and first == "Graph execution error:":
        # The first lines are the places where the operation was defined.
        found = (line for line in rest if not line.startswith(("Detected at node", "File ", "[[", "(")))
        return f"{first} {_without_places(next(found, rest[-1]))}"
    if rest and first == "in user code:":
        # Each place is a line `File ...` and a line of code; then comes `ValueError: ...`.
        places = [number for number, line in enumerate(rest) if line.startswith("File ")]
        after = rest[places[-1] + 2 :] if places else rest
        return reason_in(_joined(after).partition(": ")[2] or _joined(after))
    if rest and first.endswith("Error encountered:"):
        return f"{first} {rest[0]}"
    return _without_places(first)


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(lines)


def _without_places(line: str) -> str:
    """Return the line without the names of TensorFlow's nodes around it."""
    return _NODE.sub("", line).strip()


# How Keras makes its reason bold, and what follows the reason.
_BOLD = re.compile(r"\x1b\[\d*m")
_ARGUMENTS = re.compile(r"^\s*(?:Call a|A)rguments received by ", re.MULTILINE)
# `{{function_node __wrapped__...}} Incompatible shapes: [4] vs. [3] [Op:AddV2] name:`.
_NODE = re.compile(r"^\{\{function_node [^}]*\}\}| \[Op:[^]]*\](?: name:.*)?$")


def unknown_name(kind: str, name: object, known: Iterable[str]) -> str:
    """Return `unknown optimizer 'adm' (did you mean 'adam'?); available: adam, rmsprop, sgd`."""
    names = sorted(known)
    close = get_close_matches(str(name), names, n=1, cutoff=0.6)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    listed = ", ".join(names) if names else "none yet"
    return f"unknown {kind} '{name}'{hint}; available: {listed}"


def command_line(*words: object) -> str:
    """Return a command that a message suggests, quoted as a shell needs it."""
    return shlex.join(map(str, words))


def masked(text: str) -> str:
    """Return the text with the password of every address in it as `***`, to be printed or recorded."""
    return _QUERY.sub(r"\1***", _PASSWORD.sub(r"\1***@", text))


# `postgresql://user:password@host/`, up to the last @ of the word: a password may hold one.
_PASSWORD = re.compile(r"(\w://[^\s:@/]*:)\S*@")
# `?user=me&password=secret`, as libpq takes it too.
_QUERY = re.compile(r"([?&][\w-]*(?:password|passwd|pwd|token|secret)=)[^&\s'\"]*", re.IGNORECASE)
