"""Errors that people are meant to read: one line that says what to do, and an exit code.

The command line turns every `HpsearchError` into its message and its exit code, in one
place (`hpsearch.cli.main`). Anything else that is raised is a bug: its traceback goes to a log file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

EXIT_DONE = 0
EXIT_INTERNAL = 1
EXIT_BAD_INPUT = 2
EXIT_NO_GOOD_TRIAL = 3
EXIT_DISAGREE = 4
EXIT_INTERRUPTED = 130


class HpsearchError(Exception):
    """Something a person can put right; the message is one clear line."""

    exit_code = EXIT_BAD_INPUT


class StudyFileError(HpsearchError):
    """A study file or a configuration breaks a rule.

    Args:
        problems: one line each: where (file and key path), what rule, what value.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class UnknownNameError(HpsearchError):
    """A name (study, dataset, trial) that does not exist; the known ones are listed."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(unknown_name(kind, name, known))


class NoGoodTrialError(HpsearchError):
    """A study has no trial that may win, or none yet."""

    exit_code = EXIT_NO_GOOD_TRIAL

    def __init__(self, study: str) -> None:
        super().__init__(f"study '{study}' has no good trial yet; see `hpsearch trials {study}`")


class DataError(HpsearchError):
    """A dataset cannot be had, or what was found is not it."""


class UserCodeError(HpsearchError):
    """A person's own function, which a configuration names, is not there, raised, or gives what it must not."""


class EnvironmentProblem(HpsearchError):
    """The machine does not allow it: a folder, a port, a database, a missing package."""


class StudyBusyError(HpsearchError):
    """Another coordinator holds the study."""


class StudyChangedError(HpsearchError):
    """The study exists, and the file now says something else that matters."""


def first_line(error: BaseException) -> str:
    """`ValueError: what it says first`, of any error."""
    lines = str(error).strip().splitlines()
    return ": ".join([type(error).__name__, *lines[:1]])


def unknown_name(kind: str, name: object, known: Iterable[str]) -> str:
    """`unknown optimizer 'adm' (did you mean 'adam'?); available: adam, rmsprop, sgd`."""
    names = sorted(known)
    close = get_close_matches(str(name), names, n=1, cutoff=0.6)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    listed = ", ".join(names) if names else "none yet"
    return f"unknown {kind} '{name}'{hint}; available: {listed}"


def masked(text: str) -> str:
    """The text with the password of every address in it as `***`: for whatever is printed or kept."""
    return _QUERY.sub(r"\1***", _PASSWORD.sub(r"\1***@", text))


# `postgresql://user:password@host/`, up to the last @ of the word: a password may hold one.
_PASSWORD = re.compile(r"(\w://[^\s:@/]*:)\S*@")
# `?user=me&password=secret`, as libpq takes it too.
_QUERY = re.compile(r"([?&][\w-]*(?:password|passwd|pwd|token|secret)=)[^&\s'\"]*", re.IGNORECASE)
