"""`hpsearch`: the commands, and the one place where errors become exit codes."""

from __future__ import annotations

import errno
import gc
import os
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hpsearch.api import say
from hpsearch.cli import export, inspect, maintenance, reference, reproduce, run, train, ui
from hpsearch.errors import (
    EXIT_BAD_INPUT,
    EXIT_INTERNAL,
    EXIT_INTERRUPTED,
    HpsearchError,
    first_line,
    masked,
    unknown_name,
)
from hpsearch.training.quiet import begin_command

# The commands by what a user is doing, in the order of `hpsearch --help`.
COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    "Run": (run.run, run.stop, run.validate),
    "Look": (inspect.studies, inspect.show, inspect.trials, inspect.best, inspect.compare, ui.ui),
    "Take away": (export.export, train.train, reproduce.reproduce),
    "Look after": (maintenance.doctor, maintenance.delete),
    "Reference": (reference.catalogue, run.schema, reference.bench),
}


class _Groups(TyperGroup):
    """Lists the commands in groups."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        commands = {name: self.commands[name] for name in self.list_commands(ctx) if not self.commands[name].hidden}
        width = max(map(len, commands))
        for title, functions in COMMANDS.items():
            names = [function.__name__ for function in functions] + (["data"] if title == "Reference" else [])
            with formatter.section(title):
                rows = [(name.ljust(width), commands[name].get_short_help_str(100)) for name in names]
                formatter.write_dl(rows)


app = typer.Typer(
    cls=_Groups,
    help="Which optimizer, which learning rate, which schedule for this Keras model? Run a study and see.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for functions in COMMANDS.values():
    for function in functions:
        app.command()(function)
app.add_typer(reference.data, name="data")
# The old name of `hpsearch show --finalists`.
app.command(hidden=True)(inspect.finalists)

# The base class of "no such option" and similar errors. Some versions of Typer carry their own copy of click, so the
# class is taken from Typer and not from click.
_COMMAND_LINE_ERRORS: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

# Errors of a disk that is full, over its quota, read-only or broken; any write may raise them.
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"hpsearch {version('hpsearch')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Which optimizer, which learning rate, which schedule for this Keras model? Run a study and see."""


def main() -> None:
    """Run a command; exit with its code."""
    _prepare_process()
    code = _run()
    # Otherwise Python's last garbage collection takes a second for the objects of MLflow and Optuna.
    gc.freeze()
    sys.exit(code)


def _prepare_process() -> None:
    """Make the process safe for what follows: closed streams and a user's code."""
    # A stream that was closed before (`>&-`) would be taken by the next file that is opened: a database, for instance.
    while (stream := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(stream, True)
    os.close(stream)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    begin_command()
    # A user's code may change the current folder.
    for name in ("HPSEARCH_CACHE", "HPSEARCH_DATA_DIR"):
        if folder := os.environ.get(name):
            os.environ[name] = str(Path(folder).expanduser().absolute())


def _run() -> int:
    # The arguments are taken off `sys.argv`, so that a user's code which reads the command line does not find them.
    arguments, sys.argv[1:] = sys.argv[1:], []
    try:
        code = app(arguments, standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except HpsearchError as error:
        say(f"error: {error}")
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        say("interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The output pipe was closed; everything recorded so far is kept.
        return EXIT_INTERRUPTED
    except Exception as error:
        if isinstance(error, _COMMAND_LINE_ERRORS):
            say(f"error: {sentence_of(error)}")
            return EXIT_BAD_INPUT
        if isinstance(error, OSError) and error.errno in _DISK:
            say(f"error: {error.filename or 'a file'}: {error.strerror}; the same command goes on once that is mended")
            return EXIT_BAD_INPUT
        log = _keep_traceback()
        say(f"internal error: {first_line(error)}; the traceback is in {log}")
        return EXIT_INTERNAL


def _keep_traceback() -> Path:
    """Write the traceback to the home folder's logs, or to the temporary folder where that fails."""
    name = f"error-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    home = os.environ.get("HPSEARCH_HOME") or "mlruns"
    # HPSEARCH_HOME may be an address by mistake; no log can be written there.
    for folder in [*([] if "://" in home else [Path(home, "logs")]), Path(tempfile.gettempdir())]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(masked(traceback.format_exc()), encoding="utf-8")
        except OSError:
            continue
        return folder / name
    return Path(name)


def sentence_of(error: Any) -> str:
    """Return the sentence for an error of the command line.

    Args:
        error: a ClickException of Typer's; some versions of Typer carry their own copy of click, so that it has no
            type that could be named here.
    """
    context = getattr(error, "ctx", None)
    names = _command(context)
    return f"{_problem(error, context)}; see `{' '.join(['hpsearch', *names, '--help'])}`"


def _problem(error: Any, context: Any) -> str:
    kind, parameter = type(error).__name__, getattr(error, "param", None)
    if kind == "MissingParameter" and parameter is not None:
        return f"{_called(parameter)} is missing"
    if kind == "NoSuchOption" and context is not None:
        names = [name for each in context.command.params for name in (*each.opts, *each.secondary_opts)]
        return unknown_name("option", error.option_name, [name for name in (*names, "--help") if name[:2] == "--"])
    message = str(error.format_message()).strip().rstrip(".")
    if (command := re.search(r"^No such command '(.*?)'", message)) and context is not None:
        return unknown_name("command", command[1], context.command.list_commands(context))
    if parameter is not None and (choice := re.search(r"'([^']*)' is not one of (.*)$", message)):
        return unknown_name(_called(parameter), choice[1], re.findall(r"'(.*?)'", choice[2]))
    return message[:1].lower() + message[1:]


def _called(parameter: Any) -> str:
    """Return the name of an option or argument in the help: `--format` or `FILE`."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name).strip("[]")
    return str(max(parameter.opts, key=len))


def _command(context: Any) -> list[str]:
    """Return the names of the command and of the group that it belongs to, without the program's own."""
    names: list[str] = []
    while context is not None and context.parent is not None:
        names.insert(0, str(context.info_name))
        context = context.parent
    return names
