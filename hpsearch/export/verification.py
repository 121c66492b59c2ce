"""The verification of an exported file: rebuilt, compared with the trial, trained, and its value compared.

Scripts and models are run by Python in a process of its own, in which hpsearch cannot be imported.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hpsearch.errors import HpsearchError, reason_in
from hpsearch.export.selected import ReferenceValue, SelectedTrial
from hpsearch.export.trainings import ExportContext

if TYPE_CHECKING:
    from hpsearch.export.formats import Format

# The longest time that a script that has closed its output may take to end.
_END_SECONDS = 30.0
# `-I` keeps PYTHONPATH and the current folder out, too; a module that is None cannot be imported.
_RUN = """
import runpy, sys
sys.modules["hpsearch"] = None
file, *folders = sys.argv[1:]
sys.path += folders
sys.argv = [file]
runpy.run_path(file, run_name="__main__")
"""


def run_alone(file: Path, folders: Sequence[Path], report: Callable[[str], None]) -> str:
    """Run a script to its end.

    Args:
        folders: where the user's own modules are looked for.
        report: called with each line that it prints.

    Returns:
        The last line that it prints.

    Raises:
        HpsearchError: it fails; the message is the error that it ends with, in one line.
    """
    command = [sys.executable, "-I", "-u", "-c", _RUN, str(file), *map(str, folders)]
    last = ""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as stderr:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr, text=True, errors="replace", start_new_session=True
        )
        assert process.stdout is not None
        # Processes that the script left behind would keep its output open.
        threading.Thread(target=_end_group, args=(process,), daemon=True).start()
        try:
            with process.stdout:
                for line in process.stdout:
                    if line.strip():
                        last = line.strip()
                        report(last)
            code = process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            raise HpsearchError(f"it closed its output and did not end within {_END_SECONDS:g} s") from None
        finally:
            if process.poll() is None:
                _kill_group(process)
        if code:
            stderr.seek(0)
            raise HpsearchError(_why(stderr.read()) or f"exit code {code}")
    return last


def _why(text: str) -> str:
    """Return the error that the output of a process ends with, in one line; without a traceback, its last line."""
    _, found, traceback = text.rpartition("Traceback (most recent call last):")
    lines = traceback.strip("\n").splitlines()
    # The lines of the traceback are indented; the error follows.
    begins = next((number for number, line in enumerate(lines) if line and not line[0].isspace()), None)
    if not found or begins is None:
        return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
    kind, _, reason = "\n".join(lines[begins:]).partition(": ")
    return ": ".join(part for part in (kind.strip().rpartition(".")[2], reason_in(reason)) if part)


def _end_group(process: subprocess.Popen[str]) -> None:
    """Wait until a process has ended, then kill what it started."""
    process.wait()
    _kill_group(process)


def _kill_group(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def accuracy_in(line: str) -> float | None:
    """Return the number that a line such as `val_accuracy 0.9030` ends with; None where there is none."""
    try:
        return float(line.rpartition(" ")[2])
    except ValueError:
        return None


@dataclass(frozen=True)
class Verification:
    """The result of verifying a file.

    Attributes:
        reference: the value that the study expects.
        own: the value of the trial itself, whose seed the file has.
        differences: between the trial and the file; if there are any, nothing was trained.
        reached: the value of the training; None: nothing was trained, or the file does not print its value.
    """

    reference: ReferenceValue
    own: float | None
    differences: tuple[str, ...]
    reached: float | None

    @property
    def agrees(self) -> bool:
        return not self.differences and self.reached is not None and (self.identical or self._near(self.reached))

    def _near(self, reached: float) -> bool:
        # With its own seed the trial reaches its own value again, which may be far above the mean over seeds.
        again = self.own is not None and abs(reached - self.own) <= (self.reference.tolerance or 0.0)
        return again or self.reference.agrees(reached)

    @property
    def identical(self) -> bool:
        """Whether the value is the study's, to one example in a million: Keras counts in float32."""
        values = [value for value in (self.reference.value, self.own) if value is not None]
        return self.reached is not None and any(abs(self.reached - value) < 1e-6 for value in values)

    @property
    def sentence(self) -> str:
        """The result in words: `val_accuracy 0.9030, identical to the study's`."""
        reference, reached = self.reference, self.reached
        if self.differences:
            return "it rebuilds to something else, so it was not trained"
        if reached is None:
            return f"it does not say which {reference.metric} it reached"
        if self.identical:
            about = f" ({reference.basis})" if reference.tolerance is None else ""
            return f"{reference.metric} {reached:.4f}, identical to the study's{about}"
        within = "within" if self.agrees else "outside of"
        return f"{reference.metric} {reached:.4f}, {within} the study's {reference.shown}"


def verify(file: Path, form: Format, selected: SelectedTrial, context: ExportContext) -> Verification:
    """Rebuild a trial from a file, train it and compare; a file with differences is not trained.

    Raises:
        HpsearchError: the file cannot be read or trained, or the trial did not run to its end.
    """
    reference = form.reference(selected, context)
    if reference is None:
        raise HpsearchError(f"{selected.name} did not run to its end: there is no figure that it could be held against")
    differences = tuple(form.differences(file, selected, context))
    reached = None if differences else form.measure(file, selected, context)
    return Verification(reference, selected.own_value(reference.metric), differences, reached)
