"""`hpsearch export`: a trial written in one of five formats, and verified against its study."""

from __future__ import annotations

import os
import tempfile
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpsearch.api import say
from hpsearch.cli.options import ForceOption, HomeOption, StudyArgument, TrialOption, check_output, home_of
from hpsearch.cli.output import put
from hpsearch.errors import EXIT_DISAGREE, EXIT_DONE, HpsearchError

if TYPE_CHECKING:
    from hpsearch.export.formats import Format
    from hpsearch.export.selected import SelectedTrial
    from hpsearch.export.trainings import ExportContext


class ExportFormat(str, Enum):
    """The formats of an export."""

    yaml = "yaml"
    json = "json"
    keras = "keras"
    python = "python"
    model = "model"


def export(
    study: StudyArgument,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="File to write (default: standard output)."),
    ] = None,
    output_format: Annotated[
        ExportFormat | None,
        typer.Option("-f", "--format", help="What to write (default: by FILE's name, else yaml)."),
    ] = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Rebuild the trial from the export, train it, and compare it with the study. "
            "A FILE that exists is kept (see --force).",
        ),
    ] = False,
    force: ForceOption = False,
    trial: TrialOption = None,
    home: HomeOption = None,
) -> None:
    """Write the winner of the finalists, else the best trial: configuration, optimizer, script or model.

    yaml (.yaml) and json (.json) are the configuration that `hpsearch train` takes; keras is optimizer and schedule
    in Keras's JSON; python (.py) a script that needs only TensorFlow; model (.keras) the trained model.

    With --verify a FILE that exists is verified as it is; it is written again only with --force. Exit codes: 0 it
    agrees, 4 it does not.
    """
    from hpsearch.api import choose_trial
    from hpsearch.config.study import module_folders
    from hpsearch.export.formats import FORMATS, format_of
    from hpsearch.export.trainings import ExportContext
    from hpsearch.search.storage import find_study

    found = find_study(home_of(home), study)
    selected = choose_trial(found, home_of(home), trial, say)
    verify_only = verify and output is not None and output.exists() and not force
    if output is not None and not verify_only:
        check_output(output, force=force)
    form = FORMATS[output_format.value] if output_format else format_of(output, read=verify)
    log = Path(tempfile.gettempdir()) / f"hpsearch-export-{os.getpid()}.log"
    context = ExportContext(module_folders(output or Path("export")), log, say)
    if verify or form.name == "model":
        from hpsearch.search.contents import changed_since

        for name, change in changed_since(
            found, selected.record, selected.config, [*context.folders, *found.folders]
        ).items():
            say(f"note: {name} has changed since trial {selected.record.number} was trained: {change}")
    try:
        code = _export(selected, form, context, output, verify=verify, verify_only=verify_only)
    except HpsearchError as error:
        if str(log) not in str(error):
            log.unlink(missing_ok=True)
        raise
    log.unlink(missing_ok=True)
    raise typer.Exit(code)


def _export(
    selected: SelectedTrial,
    form: Format,
    context: ExportContext,
    output: Path | None,
    *,
    verify: bool,
    verify_only: bool,
) -> int:
    """Write the file, unless it is only to be verified, and verify it where that is wanted; return the exit code."""
    if output is None:
        text = form.text(selected, context)
        put(text)
        if not verify:
            return EXIT_DONE
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, f"exported{''.join(form.suffixes[:1])}")
            file.write_text(text, encoding="utf-8")
            return _verify(file, "the export", selected, form, context)
    # Absolute, since a user's code that is trained here may change the current folder.
    written = output.absolute()
    if verify_only:
        say(f"{output} exists: it is verified as it is, not written again")
    else:
        form.write(selected, written, context)
        say(f"{selected.name} written to {output}; {form.use.replace('FILE', str(output))}")
    return _verify(written, str(output), selected, form, context) if verify else EXIT_DONE


def _verify(file: Path, name: str, selected: SelectedTrial, form: Format, context: ExportContext) -> int:
    from hpsearch.export.verification import verify

    verdict = verify(file, form, selected, context)
    for line in verdict.differences:
        say(f"{name}: {line}")
    agrees = "agrees" if verdict.agrees else "does not agree"
    say(f"{name} {agrees} with {selected.name}: {verdict.sentence}")
    return EXIT_DONE if verdict.agrees else EXIT_DISAGREE
