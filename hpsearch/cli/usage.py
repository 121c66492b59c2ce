"""What Typer finds wrong with a command line, as one line in the words of this project."""

from __future__ import annotations

import re
from typing import Any

from hpsearch.errors import unknown_name


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
    """`--format` or `FILE`: how the help calls an option or argument."""
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
