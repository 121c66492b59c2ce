"""StudySpec: a whole study file, checked before anything trains."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from hpsearch.config import problems as wording
from hpsearch.config.checking import absent_modules, broken_rules, check_grid, check_space, with_metric
from hpsearch.config.file import Grid, Objective, SearchConfig, StudyFile, TrainableStudyFile
from hpsearch.config.problems import Finding
from hpsearch.config.space import (
    FIRST,
    Branch,
    Options,
    Ranged,
    concrete,
    configurations,
    corners,
    distributions,
    fill,
    name_parameters,
    not_finite,
    parse,
    pick_from,
    plain,
)
from hpsearch.config.trial import SEED, TRAINABLE, AnyConfig, TrainableConfig, TrialConfig, parse_config
from hpsearch.config.varied import Varied, find_varied, one_seed_each
from hpsearch.config.yaml_text import Document, apply_overrides, load_document, load_value, quick_version, shown_value
from hpsearch.errors import StudyFileError


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
    def trainable(self) -> str | None:
        """The user's own function that trains, as `module:function`; None: hpsearch's trainer does."""
        return self.file.trainable if isinstance(self.file, TrainableStudyFile) else None

    @property
    def folders(self) -> list[Path]:
        """Where a user's own modules are looked for: beside the study file, then here."""
        return module_folders(Path(self.document.name))

    @cached_property
    def parameters(self) -> tuple[Ranged | Options, ...]:
        return tuple(distributions(self.space))

    def config(self, values: dict[str, Any]) -> AnyConfig:
        """One concrete configuration of the space.

        Raises:
            pydantic.ValidationError: two values that are each allowed cannot go together.
        """
        if self.trainable:
            return TrainableConfig.of({**values, TRAINABLE: self.trainable})
        return TrialConfig.model_validate(values)

    @cached_property
    def corners(self) -> tuple[AnyConfig, ...]:
        """Configurations that reach every option of every choice and both ends of every range."""
        return tuple(self.config(concrete(self.space, pick_from(params))) for params in corners(self.space))

    @cached_property
    def varied(self) -> Varied:
        """The values that differ between the study's trials."""
        return find_varied(self.corners, seeds=one_seed_each(self.space, self.corners[0]))

    @cached_property
    def points(self) -> tuple[dict[str, Any], ...]:
        """Of a grid every point, as Optuna's parameters; else none."""
        return tuple(configurations(self.space)) if isinstance(self.search.sampler, Grid) else ()

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
    def keras_corners(self) -> tuple[TrialConfig, ...]:
        """The corners that hpsearch's own trainer trains: all of them, or none."""
        return tuple(config for config in self.corners if isinstance(config, TrialConfig))

    @property
    def longest(self) -> int | None:
        """The most epochs that any trial may train; None: only the user's own function knows."""
        return max((config.training.max_epochs for config in self.keras_corners), default=None)

    def datasets(self) -> list[str]:
        """The datasets that any trial of the study may need."""
        return sorted({config.data.dataset for config in self.keras_corners})

    def identity(self) -> dict[str, Any]:
        """What must stay the same when a study is continued: what decides what is trained, but not how much of it."""
        search = self.search.model_dump(mode="json", exclude={"trials", "timeout"})
        own = {TRAINABLE: self.trainable} if self.trainable else {}
        return {
            **own,
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
    spec = checked(document, _name_of(path))
    if found := wording.distinct(broken_rules(spec)):
        raise wording.refuse(document, found)
    return spec


def checked(document: Document, name: str) -> StudySpec:
    """The study of a document, by all rules that need nothing but its text.

    Args:
        name: where it does not say its own.

    Raises:
        StudyFileError: with one line for everything that is wrong.
    """
    data = {"name": name, **_written(document.data)}
    file, found = _top_level(data)
    problems: list[Finding] = []
    own, grid = TRAINABLE in data, file is not None and isinstance(file.search.sampler, Grid)
    space = _space(data.get("trial", {}), problems, filled=not own, grid=grid)
    if space is not None and file is not None and not own:
        space = with_metric(space, file.objective.metric)
    found += problems
    if space is not None:
        found += _check_own(space) if own else wording.beside(problems, check_space(space, grid=grid))
        found += check_grid(space) if grid else ()
    if file is None or space is None or found:
        raise wording.refuse(document, wording.distinct(found))
    return StudySpec(file, space, tuple(file.enqueue), document)


def load_trial(path: Path, overrides: Iterable[str] = ()) -> tuple[str, Objective, AnyConfig]:
    """Read one concrete configuration, as `hpsearch export` writes it: (name, objective, configuration).

    Raises:
        StudyFileError: what is wrong, or which key holds a distribution.
    """
    document = apply_overrides(load_document(path), overrides)
    if not isinstance(document.data, dict) or "trial" not in document.data:
        raise wording.refuse(document, [((), "a configuration must be a mapping with the key 'trial'")])
    data = {"name": _name_of(path), **_written(document.data)}
    file, found = _top_level(data)
    problems: list[Finding] = []
    tree = parse(data["trial"], ("trial",), problems)
    found += problems
    found += [
        (
            node.where,
            "is a distribution; `hpsearch train` takes one configuration, as `hpsearch export` writes it",
        )
        for node in distributions(tree)
    ]
    if not found and isinstance(tree, Branch):
        own = TRAINABLE in data
        found += _check_own(tree) if own else check_space(tree) or absent_modules(tree, module_folders(path))
    if isinstance(tree, Branch) and file is not None and TRAINABLE not in data:
        tree = with_metric(tree, file.objective.metric)
    if file is None or not isinstance(tree, Branch) or found:
        raise wording.refuse(document, wording.distinct(found))
    return file.name, file.objective, StudySpec(file, tree, (), document).config(concrete(tree, FIRST))


def _name_of(path: Path) -> str:
    """The name of a study that does not say its own: that of its file."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem)


def _top_level(data: dict[str, Any]) -> tuple[StudyFile | None, list[Finding]]:
    kind = TrainableStudyFile if TRAINABLE in data else StudyFile
    try:
        return kind.model_validate(data), []
    except ValidationError as error:
        return None, wording.findings(error, kind)


def _space(value: Any, problems: list[Finding], *, filled: bool, grid: bool) -> Branch | None:
    tree = parse(value, ("trial",), problems)
    if isinstance(tree, Ranged | Options):
        problems.append((("trial",), "a distribution must stand inside of `trial`, not in its place"))
    if not isinstance(tree, Branch) or tree.is_list:
        return None
    return cast(Branch, name_parameters(fill(tree, recommended=not grid) if filled else tree))


def _check_own(space: Branch) -> Iterator[Finding]:
    """The two rules about the keys of a user's own training."""
    if TRAINABLE in space.items:
        yield ("trial", TRAINABLE), "`trainable` stands beside `trial`, not in it"
    seeds = {concrete(space, pick_from(params)).get(SEED) for params in corners(space)} - {None}
    if not all(isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**32 for seed in seeds):
        yield ("trial", SEED), f"`seed` must be a whole number from 0 to 2**32 - 1, but got {shown_value(seeds)}"


def _written(data: dict[str, Any]) -> dict[str, Any]:
    """The keys that hold something: a section whose lines are all commented out is one left out."""
    return {key: value for key, value in data.items() if value is not None}


def stored_study(text: str, name: str) -> StudySpec:
    """The study of a text that was checked when it was run; what it names on this machine may be gone.

    Raises:
        StudyFileError: another version of hpsearch took what this one does not.
    """
    source = f"the file of study '{name}'"
    return checked(Document(source, load_value(text, source)), name)


def readable_study(text: str, name: str) -> StudySpec | None:
    """As `stored_study`; None where the study keeps no text, or one that this version of hpsearch cannot read."""
    if text:
        with suppress(StudyFileError):
            return stored_study(text, name)
    return None


def varied_of(spec: StudySpec | None, configs: Iterable[Mapping[str, Any]]) -> Varied:
    """The values that differ between the trials of a stored study.

    Args:
        spec: of the study; where it is None, the trials are compared with each other.
        configs: of the trials, as the study keeps them.
    """
    return spec.varied if spec else find_varied(map(parse_config, configs))


def stored_trial(plain: Mapping[str, Any], name: str, overrides: Iterable[str] = ()) -> AnyConfig:
    """The configuration that a trial was trained with.

    Args:
        plain: as the study keeps it.
        name: of the trial, for messages.
        overrides: `trial.key.path=value` each, put in place of its own values.

    Raises:
        StudyFileError: an override breaks a rule, or another version of hpsearch took what this one does not.
    """
    document = apply_overrides(Document(name, {"trial": dict(plain)}), overrides)
    if others := [key for key in document.data if key != "trial"]:
        raise StudyFileError([f"{document.place((others[0],))}: must begin with `trial.`, as in trial.seed=123"])
    values = document.data["trial"]
    if not isinstance(values, dict) or values.get(TRAINABLE) != plain.get(TRAINABLE):
        raise StudyFileError([f"{document.place(('trial',))}: another training than the one that is recorded"])
    if found := list(not_finite(values, ("trial",))):
        raise wording.refuse(document, found)
    try:
        return parse_config(values)
    except ValidationError as error:
        found = wording.findings(error, TrialConfig)
        raise wording.refuse(document, [(("trial", *path), sentence) for path, sentence in found]) from None
