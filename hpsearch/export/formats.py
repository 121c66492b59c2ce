"""The formats of an exported trial, one class each, and the trial as a configuration in YAML and JSON.

Keras is imported when a function that needs it is called.
"""

# Not every format needs all arguments.
# ruff: noqa: ARG002

from __future__ import annotations

import ast
import json
import tempfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, ClassVar

from hpsearch.config.file import Objective
from hpsearch.config.problems import changes
from hpsearch.config.study import load_trial
from hpsearch.config.trial import TRAINABLE, AnyConfig
from hpsearch.config.yaml_text import dump
from hpsearch.errors import EnvironmentProblem, HpsearchError
from hpsearch.export.selected import (
    ACCURACY,
    ReferenceValue,
    SelectedTrial,
    WinnerValues,
    origin_sentences,
    reference_of,
)
from hpsearch.export.trainings import ExportContext, train_one
from hpsearch.export.verification import accuracy_in, run_alone
from hpsearch.search.records import TrialRecord


class Format:
    """One export format.

    Attributes:
        name: the value of the option `-f`.
        suffixes: of files in this format.
        use: how to use FILE, for the message after an export.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]] = ()
    use: ClassVar[str]

    def reference(self, selected: SelectedTrial, context: ExportContext) -> ReferenceValue | None:
        """Return the value that a training from the file should reach; None: the trial did not run to its end."""
        return selected.reference(context)

    def text(self, selected: SelectedTrial, context: ExportContext) -> str:
        """Return the text of the file.

        Raises:
            HpsearchError: the format cannot hold the trial, or its data cannot be loaded.
        """
        raise NotImplementedError

    def write(self, selected: SelectedTrial, file: Path, context: ExportContext) -> None:
        """Write the file.

        Raises:
            HpsearchError: as `text`; or the file cannot be written.
        """
        text = self.text(selected, context)
        try:
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise EnvironmentProblem(f"{file}: cannot be written: {error.strerror}") from None

    def differences(self, file: Path, selected: SelectedTrial, context: ExportContext) -> Iterator[str]:
        """Yield a line for each difference between the trial and the training that the file describes.

        Raises:
            HpsearchError: the file cannot be read.
        """
        raise NotImplementedError

    def measure(self, file: Path, selected: SelectedTrial, context: ExportContext) -> float | None:
        """Train as the file says, or evaluate it, and return its value of the reference metric; None: it prints none.

        Raises:
            HpsearchError: it cannot be trained or evaluated.
        """
        raise NotImplementedError


class Yaml(Format):
    """The configuration."""

    name, use = "yaml", "train it with `hpsearch train FILE`"
    suffixes: ClassVar[tuple[str, ...]] = (".yaml", ".yml")

    def reference(self, selected: SelectedTrial, context: ExportContext) -> ReferenceValue | None:
        # hpsearch trains it and has the objective's metric; scripts and models print their accuracy only.
        return selected.reference(context, selected.objective.metric)

    def text(self, selected: SelectedTrial, context: ExportContext) -> str:
        return best_yaml(
            selected.study, selected.objective, selected.record, self.reference(selected, context), selected.winner
        )

    def differences(self, file: Path, selected: SelectedTrial, context: ExportContext) -> Iterator[str]:
        _, objective, config = load_trial(file)
        was = {"objective": selected.objective.model_dump(mode="json"), "trial": selected.config.plain()}
        yield from changes(was, {"objective": objective.model_dump(mode="json"), "trial": config.plain()})

    def measure(self, file: Path, selected: SelectedTrial, context: ExportContext) -> float | None:
        _, objective, config = load_trial(file)
        record = train_one(config, objective, context)
        reference = self.reference(selected, context)
        return record.best_metrics.get(reference.metric if reference else objective.metric)


class Json(Yaml):
    """The configuration as JSON."""

    name = "json"
    suffixes: ClassVar[tuple[str, ...]] = (".json",)

    def text(self, selected: SelectedTrial, context: ExportContext) -> str:
        return best_json(
            selected.study, selected.objective, selected.record, self.reference(selected, context), selected.winner
        )


class Keras(Format):
    """Optimizer and learning-rate schedule in Keras's own JSON."""

    name, use = "keras", "read it with keras.optimizers.deserialize and keras.optimizers.schedules.deserialize"

    def text(self, selected: SelectedTrial, context: ExportContext) -> str:
        config = selected.keras_config
        context.prepare()
        from hpsearch.export.keras_objects import keras_json

        examples = config.data.training_examples or len(context.data(config.data).training)
        return keras_json(config, examples, selected.about(context), selected.reference(context))

    def differences(self, file: Path, selected: SelectedTrial, context: ExportContext) -> Iterator[str]:
        exported = _read_json(file)
        was, now = (
            {key: value for key, value in data.items() if key not in ("about", "read_with")}
            for data in (json.loads(self.text(selected, context)), exported)
        )
        if found := list(changes(was, now)):
            # An edited file is not built.
            yield from found
            return
        from hpsearch.export.keras_objects import knob_differences

        yield from knob_differences(exported, selected.keras_config)

    def measure(self, file: Path, selected: SelectedTrial, context: ExportContext) -> float | None:
        text = Python().text(selected, context, optimizer_file=file.absolute())
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder, "train.py")
            script.write_text(text, encoding="utf-8")
            return accuracy_in(run_alone(script, context.folders, context.report))


class Python(Format):
    """A script that trains with TensorFlow alone."""

    name, suffixes, use = "python", (".py",), "run it with `python FILE`"

    def text(self, selected: SelectedTrial, context: ExportContext, optimizer_file: Path | None = None) -> str:
        config = selected.keras_config
        data = context.data(config.data)
        from hpsearch.export.script import ScriptSource, script

        return script(ScriptSource(config, selected.objective, selected.about(context)), data, optimizer_file)

    def differences(self, file: Path, selected: SelectedTrial, context: ExportContext) -> Iterator[str]:
        (ours, lines), (theirs, found) = (
            _code(self.text(selected, context), "the export"),
            _code(_read(file), str(file)),
        )
        if ours != theirs:
            pairs = zip_longest(lines, found, fillvalue=(0, ""))
            (_, was), (number, now) = next(pair for pair in pairs if pair[0][1] != pair[1][1])
            yield f"line {number}: was {was!r}, is now {now!r}" if number else f"{was!r} is missing at the end"

    def measure(self, file: Path, selected: SelectedTrial, context: ExportContext) -> float | None:
        return accuracy_in(run_alone(file, context.folders, context.report))


class Model(Format):
    """The trained model."""

    name, suffixes, use = "model", (".keras",), "load it with keras.saving.load_model"

    def text(self, selected: SelectedTrial, context: ExportContext) -> str:
        raise HpsearchError("a model is no text; name its file: -o FILE.keras")

    def write(self, selected: SelectedTrial, file: Path, context: ExportContext) -> None:
        config = selected.keras_config
        from hpsearch.export.model_file import copy_model, write_model

        if selected.champion:
            context.report("this is the champion: the winner trained on all training images, as the registry has it")
            copy_model(selected.champion, file)
            return
        context.report("the weights of a search's trials are not kept, so it is trained again")

        write_model(config, selected.objective, file, context)

    def reference(self, selected: SelectedTrial, context: ExportContext) -> ReferenceValue | None:
        if selected.champion is None:
            return super().reference(selected, context)
        from hpsearch.export.model_file import validation_accuracy

        value = validation_accuracy(selected.champion, selected.keras_config, context)
        return ReferenceValue(ACCURACY, value, None, "of the champion, which was trained on these images too")

    def differences(self, file: Path, selected: SelectedTrial, context: ExportContext) -> Iterator[str]:
        # A model is checked by evaluating it.
        yield from ()

    def measure(self, file: Path, selected: SelectedTrial, context: ExportContext) -> float | None:
        from hpsearch.export.model_file import validation_accuracy

        return validation_accuracy(file, selected.keras_config, context)


FORMATS: dict[str, Format] = {entry.name: entry for entry in (Yaml(), Json(), Keras(), Python(), Model())}


def format_of(file: Path | None, *, read: bool) -> Format:
    """Return the format by a file's name; YAML by default.

    Args:
        read: whether the file's content decides which JSON format it has.
    """
    if file is None:
        return FORMATS["yaml"]
    if read and file.suffix == ".json" and file.is_file() and "trial" not in _read_json(file):
        return FORMATS["keras"]
    return next((entry for entry in FORMATS.values() if file.suffix in entry.suffixes), FORMATS["yaml"])


def _code(text: str, name: str) -> tuple[str, list[tuple[int, str]]]:
    """Return a script's syntax tree as text, and its numbered lines without docstring, comments and empty lines."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise HpsearchError(f"{name}: line {error.lineno}: not valid Python: {error.msg}") from None
    first = tree.body.pop(0).end_lineno or 0 if ast.get_docstring(tree) is not None else 0
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1) if number > first]
    return ast.dump(tree), [(number, line) for number, line in lines if line and not line.startswith("#")]


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EnvironmentProblem(f"{file}: cannot be read: {error}") from None


def _read_json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(_read(file))
    except ValueError as error:
        raise HpsearchError(f"{file}: not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise HpsearchError(f"{file}: must be a JSON object, but is {type(found).__name__}")
    return found


def configuration(study_name: str, objective: Objective, record: TrialRecord) -> dict[str, Any]:
    """Return the trial as plain data that `load_trial` takes.

    Raises:
        HpsearchError: the trial has not run yet, so it has no configuration.
    """
    if record.config is None:
        raise HpsearchError(f"trial {record.number} of '{study_name}' has not run yet, so it has no configuration")
    values = record.config.plain()
    trainable = {TRAINABLE: values.pop(TRAINABLE)} if TRAINABLE in values else {}
    return {
        "name": f"{study_name[:50]}-trial-{record.number}",
        **trainable,
        "objective": objective.model_dump(mode="json"),
        "trial": values,
    }


def best_yaml(
    study_name: str,
    objective: Objective,
    record: TrialRecord,
    reference: ReferenceValue | None = None,
    winner: WinnerValues | None = None,
) -> str:
    """Return the trial as YAML text, with its origin in the first lines.

    Args:
        reference: the value that another training should reach; None: the trial's own.
        winner: for the finalists' winner, the values of its trainings with new seeds.
    """
    head = [
        *origin_sentences(study_name, objective, record, reference or reference_of(record, objective), winner),
        "Train it again: hpsearch train FILE",
        f"Hold that against the study: hpsearch export {study_name} --trial {record.number} -o FILE --verify",
    ]
    return "".join(f"# {line}\n" for line in head) + dump(configuration(study_name, objective, record))


def best_json(
    study_name: str,
    objective: Objective,
    record: TrialRecord,
    reference: ReferenceValue | None = None,
    winner: WinnerValues | None = None,
) -> str:
    """Return the trial as JSON text, with its origin as the description; as `best_yaml`."""
    name, *rest = configuration(study_name, objective, record).items()
    lines = origin_sentences(study_name, objective, record, reference or reference_of(record, objective), winner)
    described = {"description": " ".join(lines)}
    return json.dumps(dict([name]) | described | dict(rest), indent=2, allow_nan=False) + "\n"


def configuration_yaml(name: str, objective: Objective, config: AnyConfig) -> str:
    """Return a configuration outside of a study as YAML text that `hpsearch train` takes."""
    values = config.plain()
    trainable = {TRAINABLE: values.pop(TRAINABLE)} if TRAINABLE in values else {}
    return dump({"name": name, **trainable, "objective": objective.model_dump(mode="json"), "trial": values})
