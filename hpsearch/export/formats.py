"""The formats that a trial can be exported as, one class each. Adding one touches this file, and what it is made of.

What needs Keras is imported when it is called.
"""

# Not every format needs all that formats are given.
# ruff: noqa: ARG002

from __future__ import annotations

import ast
import json
import tempfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, ClassVar

from hpsearch.config.problems import changes
from hpsearch.config.study import load_trial
from hpsearch.errors import EnvironmentProblem, HpsearchError
from hpsearch.export.again import Place, train_again
from hpsearch.export.chosen import Chosen
from hpsearch.export.figure import ACCURACY, Figure
from hpsearch.export.isolated import accuracy_in, run_alone
from hpsearch.export.yaml_file import best_json, best_yaml


class Format:
    """One format of text.

    Attributes:
        name: how a person selects it.
        suffixes: of the files that are taken for it.
        use: what to do with FILE.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]] = ()
    use: ClassVar[str]

    def figure(self, chosen: Chosen, place: Place) -> Figure | None:
        """What the file is held against; None: the trial did not run to its end."""
        return chosen.figure(place)

    def text(self, chosen: Chosen, place: Place) -> str:
        """What stands in the file.

        Raises:
            HpsearchError: the trial cannot be said in this format, or its data cannot be had.
        """
        raise NotImplementedError

    def write(self, chosen: Chosen, file: Path, place: Place) -> None:
        """Write the file.

        Raises:
            HpsearchError: as `text`; or the file cannot be written.
        """
        text = self.text(chosen, place)
        try:
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise EnvironmentProblem(f"{file}: cannot be written: {error.strerror}") from None

    def differences(self, file: Path, chosen: Chosen, place: Place) -> Iterator[str]:
        """Where what the file rebuilds to is not what the trial is, a line each.

        Raises:
            HpsearchError: the file cannot be read.
        """
        raise NotImplementedError

    def reached(self, file: Path, chosen: Chosen, place: Place) -> float | None:
        """Return the figure's metric once what the file rebuilds to has been trained; None: it does not say.

        Raises:
            HpsearchError: it cannot be trained.
        """
        raise NotImplementedError


class Yaml(Format):
    """The configuration."""

    name, use = "yaml", "train it with `hpsearch train FILE`"
    suffixes: ClassVar[tuple[str, ...]] = (".yaml", ".yml")

    def figure(self, chosen: Chosen, place: Place) -> Figure | None:
        # It is trained by hpsearch, which has the objective's metric too; scripts and models say their accuracy only.
        return chosen.figure(place, chosen.objective.metric)

    def text(self, chosen: Chosen, place: Place) -> str:
        return best_yaml(chosen.study, chosen.objective, chosen.record, self.figure(chosen, place), chosen.winner)

    def differences(self, file: Path, chosen: Chosen, place: Place) -> Iterator[str]:
        _, objective, recipe = load_trial(file)
        was = {"objective": chosen.objective.model_dump(mode="json"), "trial": chosen.recipe.plain()}
        yield from changes(was, {"objective": objective.model_dump(mode="json"), "trial": recipe.plain()})

    def reached(self, file: Path, chosen: Chosen, place: Place) -> float | None:
        _, objective, recipe = load_trial(file)
        trainer, rows = train_again(recipe, objective, place)
        figure = self.figure(chosen, place)
        metric = figure.metric if figure else objective.metric
        return rows[trainer.best.epoch - 1].metrics.get(metric) if trainer.best else None


class Json(Yaml):
    """The same, for programs."""

    name = "json"
    suffixes: ClassVar[tuple[str, ...]] = (".json",)

    def text(self, chosen: Chosen, place: Place) -> str:
        return best_json(chosen.study, chosen.objective, chosen.record, self.figure(chosen, place), chosen.winner)


class Keras(Format):
    """Optimizer and learning-rate schedule in Keras's own JSON."""

    name, use = "keras", "read it with keras.optimizers.deserialize and keras.optimizers.schedules.deserialize"

    def text(self, chosen: Chosen, place: Place) -> str:
        config = chosen.config
        place.prepare()
        from hpsearch.export.keras_json import keras_json

        examples = config.data.training_examples or len(place.data(config.data).training)
        return keras_json(config, examples, chosen.about(place), chosen.figure(place))

    def differences(self, file: Path, chosen: Chosen, place: Place) -> Iterator[str]:
        exported = _read_json(file)
        was, now = (
            {key: value for key, value in data.items() if key not in ("about", "read_with")}
            for data in (json.loads(self.text(chosen, place)), exported)
        )
        if found := list(changes(was, now)):
            # What somebody changed is not built.
            yield from found
            return
        from hpsearch.export.keras_json import knob_differences

        yield from knob_differences(exported, chosen.config)

    def reached(self, file: Path, chosen: Chosen, place: Place) -> float | None:
        text = Python().text(chosen, place, optimizer_file=file.absolute())
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder, "train.py")
            script.write_text(text, encoding="utf-8")
            return accuracy_in(run_alone(script, place.folders, place.report))


class Python(Format):
    """A script."""

    name, suffixes, use = "python", (".py",), "run it with `python FILE`"

    def text(self, chosen: Chosen, place: Place, optimizer_file: Path | None = None) -> str:
        config = chosen.config
        data = place.data(config.data)
        from hpsearch.export.script import ScriptSource, script

        return script(ScriptSource(config, chosen.objective, chosen.about(place)), data, optimizer_file)

    def differences(self, file: Path, chosen: Chosen, place: Place) -> Iterator[str]:
        (ours, lines), (theirs, found) = _code(self.text(chosen, place), "the export"), _code(_read(file), str(file))
        if ours != theirs:
            pairs = zip_longest(lines, found, fillvalue=(0, ""))
            (_, was), (number, now) = next(pair for pair in pairs if pair[0][1] != pair[1][1])
            yield f"line {number}: was {was!r}, is now {now!r}" if number else f"{was!r} is missing at the end"

    def reached(self, file: Path, chosen: Chosen, place: Place) -> float | None:
        return accuracy_in(run_alone(file, place.folders, place.report))


class Model(Format):
    """The trained model."""

    name, suffixes, use = "model", (".keras",), "load it with keras.saving.load_model"

    def text(self, chosen: Chosen, place: Place) -> str:
        raise HpsearchError("a model is no text; name its file: -o FILE.keras")

    def write(self, chosen: Chosen, file: Path, place: Place) -> None:
        config = chosen.config
        from hpsearch.export.model_file import copy_model, write_model

        if chosen.kept:
            place.report("this is the champion: the winner trained on all training images, as the registry has it")
            copy_model(chosen.kept, file)
            return
        place.report("the weights of a search's trials are not kept, so it is trained again")

        write_model(config, chosen.objective, file, place)

    def figure(self, chosen: Chosen, place: Place) -> Figure | None:
        if chosen.kept is None:
            return super().figure(chosen, place)
        from hpsearch.export.model_file import validation_accuracy

        value = validation_accuracy(chosen.kept, chosen.config, place)
        return Figure(ACCURACY, value, None, "of the champion, which was trained on these images too")

    def differences(self, file: Path, chosen: Chosen, place: Place) -> Iterator[str]:
        # What its weights are worth shows when it is evaluated.
        yield from ()

    def reached(self, file: Path, chosen: Chosen, place: Place) -> float | None:
        from hpsearch.export.model_file import validation_accuracy

        return validation_accuracy(file, chosen.config, place)


FORMATS: dict[str, Format] = {row.name: row for row in (Yaml(), Json(), Keras(), Python(), Model())}


def format_of(file: Path | None, *, read: bool) -> Format:
    """Return the format that a file's name says; else YAML.

    Args:
        read: whether JSON is told apart by what is in the file.
    """
    if file is None:
        return FORMATS["yaml"]
    if read and file.suffix == ".json" and file.is_file() and "trial" not in _read_json(file):
        return FORMATS["keras"]
    return next((row for row in FORMATS.values() if file.suffix in row.suffixes), FORMATS["yaml"])


def _code(text: str, name: str) -> tuple[str, list[tuple[int, str]]]:
    """What a script does, and its lines with their numbers; docstring, comments and empty lines left out."""
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
