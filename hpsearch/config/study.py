"""StudySpec: a whole study file, checked before anything trains."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from hpsearch.config import problems as wording
from hpsearch.config.checking import FIRST, check_space, corners, known_keys
from hpsearch.config.compare import check_compare
from hpsearch.config.file import Asha, Grid, Objective, SearchConfig, StudyFile
from hpsearch.config.grid import check_grid, points
from hpsearch.config.matching import match
from hpsearch.config.overrides import apply_overrides, quick_version
from hpsearch.config.parsing import Problems, parse
from hpsearch.config.space import (
    Branch,
    Fixed,
    Options,
    Ranged,
    concrete,
    distributions,
    fill,
    name_parameters,
    plain,
)
from hpsearch.config.trial import TrialConfig
from hpsearch.config.yaml_text import Document, load_document


@dataclass(frozen=True)
class StudySpec:
    """A checked study.

    Attributes:
        file: the top level as written.
        space: the `trial:` tree, filled from the catalogue, with named parameters.
        enqueue: configurations to be tried first, as written; each fits the space.
        document: where the study came from.
    """

    file: StudyFile
    space: Branch
    enqueue: tuple[Mapping[str, Any], ...]
    document: Document

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def objective(self) -> Objective:
        return self.file.objective

    @property
    def search(self) -> SearchConfig:
        return self.file.search

    @property
    def folders(self) -> list[Path]:
        """Where a user's own modules are looked for: beside the study file, then here."""
        return module_folders(Path(self.document.name))

    @cached_property
    def parameters(self) -> tuple[Ranged | Options, ...]:
        return tuple(distributions(self.space))

    @cached_property
    def corners(self) -> tuple[TrialConfig, ...]:
        """Configurations that reach every option of every choice and both ends of every range."""
        return tuple(TrialConfig.model_validate(config) for config in corners(self.space))

    @cached_property
    def points(self) -> tuple[dict[str, Any], ...]:
        """Of a grid every point, as Optuna's parameters; else none."""
        return tuple(points(self.space)) if isinstance(self.search.sampler, Grid) else ()

    def total(self, asked: int | None = None) -> int:
        """The study's number of trials: what is asked for or written, and of a grid never more than its points.

        Args:
            asked: on the command line.
        """
        if not self.points:
            return asked or self.search.trials
        written = self.search.trials if "trials" in self.search.model_fields_set else len(self.points)
        return min(asked or written, len(self.points))

    @property
    def longest(self) -> int:
        """The most epochs that any trial may train."""
        return max(config.training.max_epochs for config in self.corners)

    def datasets(self) -> list[str]:
        """The datasets that any trial of the study may need."""
        return sorted({config.data.dataset for config in self.corners})

    def identity(self) -> dict[str, Any]:
        """What must stay the same when a study is continued: what decides what is trained, but not how much of it."""
        search = self.search.model_dump(mode="json", exclude={"trials", "timeout"})
        return {
            "objective": self.objective.model_dump(mode="json"),
            "trial": plain(self.space),
            "search": search,
            "enqueue": [dict(item) for item in self.enqueue],
        }


def module_folders(file: Path) -> list[Path]:
    """Where the modules that a file names are looked for: beside it, then in the current folder."""
    return list(dict.fromkeys([file.absolute().parent, Path.cwd()]))


def load_study(path: Path, overrides: Iterable[str] = (), *, quick: bool = False) -> StudySpec:
    """Read and check a study file.

    Args:
        path: the YAML file.
        overrides: `key.path=value` each, the value in YAML.
        quick: whether its section `quick` is to be put in place, before the overrides.

    Raises:
        StudyFileError: with one line for everything that is wrong.
    """
    written = load_document(path)
    document = apply_overrides(quick_version(written, _name_of(path)) if quick else written, overrides)
    if not isinstance(document.data, dict):
        raise wording.refuse(document, [((), "a study file must be a mapping with the key 'trial'")])
    data = {"name": _name_of(path), **_written(document.data)}
    file, found = _top_level(data)
    problems = Problems()
    grid = file is not None and isinstance(file.search.sampler, Grid)
    space = _space(data.get("trial", {}), problems, grid)
    found += problems.found
    if space is not None:
        found += _beside(problems.found, [*check_space(space, grid=grid), *(check_grid(space) if grid else ())])
    if file is None or space is None or found:
        raise wording.refuse(document, _distinct(found))
    spec = StudySpec(file, space, tuple(file.enqueue), document)
    if found := _distinct([*_impossible(spec), *_unfit_enqueued(spec), *_incomparable(spec)]):
        raise wording.refuse(document, found)
    return spec


def load_trial(path: Path, overrides: Iterable[str] = ()) -> tuple[str, Objective, TrialConfig]:
    """Read one concrete configuration, as `hpsearch export` writes it: (name, objective, configuration).

    Raises:
        StudyFileError: what is wrong, or which key holds a distribution.
    """
    document = apply_overrides(load_document(path), overrides)
    if not isinstance(document.data, dict) or "trial" not in document.data:
        raise wording.refuse(document, [((), "a configuration must be a mapping with the key 'trial'")])
    data = {"name": _name_of(path), **_written(document.data)}
    file, found = _top_level(data)
    problems = Problems()
    tree = parse(data["trial"], ("trial",), problems)
    found += problems.found
    found += [
        (
            node.where,
            "is a distribution; `hpsearch train` takes one configuration, as `hpsearch export` writes it",
        )
        for node in distributions(tree)
    ]
    if not found and isinstance(tree, Branch):
        found += check_space(tree)
    if file is None or found:
        raise wording.refuse(document, _distinct(found))
    return file.name, file.objective, TrialConfig.model_validate(concrete(tree, FIRST))


def _name_of(path: Path) -> str:
    """The name of a study that does not say its own: that of its file."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem)


def _top_level(data: dict[str, Any]) -> tuple[StudyFile | None, list[wording.Finding]]:
    try:
        return StudyFile.model_validate(data), []
    except ValidationError as error:
        return None, wording.findings(error, lambda path: known_keys(StudyFile, path))


def _space(value: Any, problems: Problems, grid: bool) -> Branch | None:
    tree = parse(value, ("trial",), problems)
    if isinstance(tree, Ranged | Options):
        problems.add(("trial",), "a distribution must stand inside of `trial`, not in its place")
    if not isinstance(tree, Branch):
        return None
    return cast(Branch, name_parameters(fill(tree, recommended=not grid)))


def _impossible(spec: StudySpec) -> Iterator[wording.Finding]:
    """Combinations of sections that cannot work together."""
    pruner = spec.search.pruner
    if not spec.parameters and isinstance(spec.space.items.get("seed"), Fixed):
        yield ("trial",), "every trial would be the same: no distribution and a fixed seed; see `hpsearch train`"
    engines = {config.training.engine for config in spec.corners}
    if len(engines) > 1:
        training = spec.space.items.get("training")
        engine = training.items.get("engine") if isinstance(training, Branch) else None
        place = engine.where if isinstance(engine, Options) else ("trial", "training")
        yield place, "`engine` must be one value: all trials of a study are trained by the same engine"
    own = {name for config in spec.corners for name in config.training.callbacks}
    for name in sorted(own):
        package = name.partition(":")[0].partition(".")[0]
        if PathFinder.find_spec(package, [*map(str, spec.folders), *sys.path]) is None:
            yield ("trial", "training", "callbacks"), f"there is no module '{package}' beside the study file or here"
    # Where nobody wrote it, a rung beyond the last epoch prunes nothing and harms nobody.
    written = pruner.min_resource if isinstance(pruner, Asha) and "min_resource" in pruner.model_fields_set else 0
    if written > spec.longest:
        yield (
            ("search", "pruner"),
            f"`min_resource` <= max_epochs must hold, but got (min_resource={written}, max_epochs={spec.longest})",
        )


def _unfit_enqueued(spec: StudySpec) -> Iterator[wording.Finding]:
    if spec.enqueue and spec.points:
        yield ("enqueue",), "a grid tries all of its points and nothing else; leave `enqueue` out"
    for index, config in enumerate(spec.enqueue):
        result = match(spec.space, config)
        yield from (((("enqueue", index, *path)), sentence) for path, sentence in result.problems)


def _incomparable(spec: StudySpec) -> Iterator[wording.Finding]:
    if spec.file.compare is not None:
        varied = {node.name: node.labels if isinstance(node, Options) else () for node in spec.parameters}
        yield from ((("compare", *path), told) for path, told in check_compare(spec.file.compare, varied, spec.corners))


def _written(data: dict[str, Any]) -> dict[str, Any]:
    """The keys that hold something: a section whose lines are all commented out is one left out."""
    return {key: value for key, value in data.items() if value is not None}


def _beside(told: list[wording.Finding], found: list[wording.Finding]) -> list[wording.Finding]:
    """What is found at places other than those already told: a broken range is one problem, not two."""
    return [(path, sentence) for path, sentence in found if not any(t[: len(path)] == path for t, _ in told)]


def _distinct(found: Iterable[wording.Finding]) -> list[wording.Finding]:
    return list(dict.fromkeys(found))
