"""The user's own code, which a configuration names as `module:name`: how it is found and called, and its errors."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from hpsearch.catalogue.entries import Entry
from hpsearch.errors import HpsearchError, UserCodeError, first_line
from hpsearch.training.quiet import keep_stdout_for_results


def load(reference: str, where: str) -> Any:
    """Return the object that a reference names; a function is wrapped, so that an error in it names the reference.

    Args:
        reference: `module:name`.
        where: the key that holds it, for messages.

    Raises:
        UserCodeError: there is no such module or name, or the module cannot be imported.
    """
    module, _, name = reference.partition(":")
    keep_stdout_for_results()
    try:
        with _arguments_of(module):
            found = getattr(importlib.import_module(module), name)
    # A module may call `sys.exit` when it is imported, as argparse does.
    except (Exception, SystemExit) as error:
        # If another module that it imports is missing, keep the cause: its traceback says where.
        absent = isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}.")
        if absent or isinstance(error, AttributeError):
            raise UserCodeError(f"{where}: '{reference}' cannot be found: {error}") from None
        raise UserCodeError(f"{where}: '{reference}' cannot be imported: {first_line(error)}") from error
    return _naming_errors(found, f"{where}: '{reference}'") if callable(found) else found


@contextmanager
def _arguments_of(module: str) -> Iterator[None]:
    """While a module is imported, set `sys.argv` as if it were run as a program without arguments."""
    before = sys.argv
    sys.argv = [module]
    try:
        if module not in sys.modules:
            # Finding a submodule imports its package. The import raises where a module is missing.
            with suppress(ModuleNotFoundError):
                found = importlib.util.find_spec(module)
                sys.argv = [found.origin if found is not None and found.origin else module]
        yield
    finally:
        sys.argv = before


def load_function(reference: str, where: str) -> Callable[..., Any]:
    """Return the callable that a reference names.

    Raises:
        UserCodeError: it is not callable, or cannot be found or imported.
    """
    found = load(reference, where)
    if not callable(found):
        raise UserCodeError(f"{where}: '{reference}' must be a function, but is {found!r}")
    return found  # type: ignore[no-any-return]


def _naming_errors(function: Callable[..., Any], what: str) -> Callable[..., Any]:
    @functools.wraps(function, updated=())
    def call(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except UserCodeError:
            raise
        except (Exception, SystemExit) as error:
            failure = UserCodeError(f"{what} raised {first_line(error)}")
            # As a note, since TensorFlow drops the cause of an exception that is raised while it traces a function.
            failure.add_note(traceback.format_exc())
            raise failure from None

    return call


@contextmanager
def training_with(references: Iterable[str]) -> Iterator[None]:
    """Raise errors of a training that uses a user's own code as UserCodeError, since that code may be the cause.

    Args:
        references: each `module:name` that the training uses; without any, errors pass unchanged.
    """
    names = ", ".join(references)
    try:
        yield
    except HpsearchError:
        raise
    except Exception as error:
        if not names:
            raise
        failure = UserCodeError(f"training with your own code ({names}) raised {first_line(error)}")
        failure.add_note(traceback.format_exc())
        raise failure from None


def with_user_code(section: str, entry: Entry, knobs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the knobs of an entry, with objects in place of references; see `Entry.build`."""
    own = {name: load_function(knobs[name], f"{section}.{name}") for name in entry.references()}
    return {**knobs, **own}
