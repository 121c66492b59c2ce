"""StudySpec: a whole study file, checked before anything trains."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from hpsearch.config.checking import absent_modules, broken_rules, check_grid, check_space, with_metric
from hpsearch.config.file import BUDGET, Grid, Objective, SearchConfig, StudyFile, TrainableStudyFile
from hpsearch.config.problems import Problem, problem_error, problems_of, raise_problems
from hpsearch.config.space import (
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
    size,
)
from hpsearch.config.trial import SEED, TRAINABLE, AnyConfig, TrainableConfig, TrialConfig, parse_config
from hpsearch.config.varied import Varied, find_varied
from hpsearch.config.yaml_text import Document, apply_overrides, load_document, load_value, quick_version, shown_value
from hpsearch.errors import StudyFileError


@dataclass(frozen=True)
class StudySpec:
    """A checked study.

    Attributes:
        file: the checked sections of the study file; its `trial` is as written.
        space: the section `trial` as a tree, filled from the catalogue, with named parameters.
        document: the parsed study file, for messages that name a line.
    """

    file: StudyFile
    space: Branch
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
    def enqueue(self) -> Sequence[Mapping[str, Any]]:
        """Configurations to be tried first, as written; each fits the space."""
        return self.file.enqueue

    @property
    def trainable(self) -> str | None:
        """The user's own function that trains, as `module:function`; None: hpsearch's trainer does."""
        return self.file.trainable if isinstance(self.file, TrainableStudyFile) else None

    @property
    def folders(self) -> list[Path]:
        """The folders in which the user's own modules are looked for: that of the study file, then the current one."""
        return module_folders(Path(self.document.name))

    @cached_property
    def parameters(self) -> tuple[Ranged | Options, ...]:
        return tuple(distributions(self.space))

    def config(self, values: dict[str, Any]) -> AnyConfig:
        """Return one concrete configuration of the space.

        Raises:
            InvalidConfigError: two values that are each allowed are not allowed together.
        """
        return parse_config({**values, TRAINABLE: self.trainable} if self.trainable else values)

    @cached_property
    def corners(self) -> tuple[AnyConfig, ...]:
        """Configurations that reach every option of every choice and both ends of every range."""
        return tuple(self.config(concrete(self.space, pick_from(params))) for params in corners(self.space))

    @cached_property
    def varied(self) -> Varied:
        """The settings that differ between the study's trials."""
        found = find_varied(self.corners)
        # If some branch has no range of real numbers, two trials may differ in nothing but their own seeds.
        own_seeds = self.corners[0].seed is None and size(self.space, 0) > 0
        return found.with_seed() if own_seeds else found

    @cached_property
    def points(self) -> tuple[dict[str, Any], ...]:
        """Every point of a grid, as Optuna's parameters; empty for other samplers."""
        return tuple(configurations(self.space)) if isinstance(self.search.sampler, Grid) else ()

    def total(self, asked: int | None = None) -> int:
        """Return the total number of the study's trials.

        This is `asked`, else `search.trials`. For a grid it is at most the number of points, which is also its default.

        Args:
            asked: the number on the command line.
        """
        if not self.points:
            return asked or self.search.trials
        written = self.search.trials if "trials" in self.search.model_fields_set else len(self.points)
        return min(asked or written, len(self.points))

    @property
    def keras_corners(self) -> tuple[TrialConfig, ...]:
        """The corners, if hpsearch's trainer trains them; none where the user's function does."""
        return tuple(config for config in self.corners if isinstance(config, TrialConfig))

    @property
    def longest(self) -> int | None:
        """The most epochs that any trial may train; None: the user's own function decides."""
        return max((config.training.max_epochs for config in self.keras_corners), default=None)

    def datasets(self) -> list[str]:
        """Return the datasets that the study's trials may need."""
        return sorted({config.data.dataset for config in self.keras_corners})

    def identity(self) -> dict[str, Any]:
        """Return what must stay the same when a study is continued: the values that decide how its trials train."""
        search = self.search.model_dump(mode="json", exclude=set(BUDGET))
        if self.search.balance is None:
            # Studies of versions without this key have the same identity.
            del search["balance"]
        return {
            **({TRAINABLE: self.trainable} if self.trainable else {}),
            "objective": self.objective.model_dump(mode="json"),
            "trial": plain(self.space),
            "search": search,
            "enqueue": self.file.enqueue,
        }


def module_folders(file: Path) -> list[Path]:
    """Return the folders in which the modules that a file names are looked for: that of the file, the current one."""
    return list(dict.fromkeys([file.absolute().parent, Path.cwd()]))


def load_study(path: Path, overrides: Iterable[str] = (), *, quick: bool = False) -> StudySpec:
    """Read and check a study file.

    Args:
        path: the YAML file.
        overrides: `key.path=value` each, the value in YAML.
        quick: whether to take the short version, its section `quick`, before the overrides.

    Raises:
        StudyFileError: with one line for everything that is wrong.
    """
    return _study(load_document(path), path, overrides, quick=quick)


def load_mapping(
    content: Mapping[str, Any], path: Path, overrides: Iterable[str] = (), *, quick: bool = False
) -> StudySpec:
    """Check the content of a study file.

    Args:
        content: plain dicts, lists, strings, numbers, booleans and None.
        path: of the file that it would be in; the user's own modules are looked for in its folder.
        overrides, quick: as of `load_study`.

    Raises:
        StudyFileError: with one line for everything that is wrong.
    """
    return _study(Document(str(path), dict(content)), path, overrides, quick=quick)


def _study(document: Document, path: Path, overrides: Iterable[str], *, quick: bool) -> StudySpec:
    document = apply_overrides(quick_version(document, _name_of(path)) if quick else document, overrides)
    if not isinstance(document.data, dict):
        raise_problems(document, [((), "a study file must be a mapping with the key 'trial'")])
    spec = checked(document, _name_of(path))
    raise_problems(document, broken_rules(spec))
    return spec


def load_trial(path: Path, overrides: Iterable[str] = ()) -> tuple[str, Objective, AnyConfig]:
    """Read one concrete configuration, as `hpsearch export` writes it: (name, objective, configuration).

    Raises:
        StudyFileError: what is wrong, or which key holds a distribution.
    """
    document = apply_overrides(load_document(path), overrides)
    if not isinstance(document.data, dict) or "trial" not in document.data:
        raise_problems(document, [((), "a configuration must be a mapping with the key 'trial'")])
    spec = checked(document, _name_of(path), fixed=True)
    if not spec.trainable:
        raise_problems(document, absent_modules(spec.space, spec.folders))
    return spec.name, spec.objective, spec.corners[0]


def checked(document: Document, name: str, *, fixed: bool = False) -> StudySpec:
    """Return the study of a document after all checks that need nothing but its text.

    Args:
        name: used where the document has none.
        fixed: whether it must be one configuration, without any distribution.

    Raises:
        StudyFileError: with one line for everything that is wrong.
    """
    # A section whose lines are all commented out counts as left out.
    data = {"name": name, **{key: value for key, value in document.data.items() if value is not None}}
    trainable = TRAINABLE in data
    file, found = _top_level(TrainableStudyFile if trainable else StudyFile, data)
    grid = file is not None and isinstance(file.search.sampler, Grid) and not fixed
    space_problems: list[Problem] = []
    space = parse(data.get("trial", {}), ("trial",), space_problems)
    if fixed:
        sentence = "is a distribution; `hpsearch train` takes one configuration, as `hpsearch export` writes it"
        space_problems += [(node.where, sentence) for node in distributions(space)]
    elif isinstance(space, Ranged | Options):
        space_problems.append((("trial",), "a distribution must stand inside of `trial`, not in its place"))
    found += space_problems
    if isinstance(space, Branch) and not space.is_list:
        filled = space if trainable or fixed else fill(space, recommended=not grid)
        space = cast(Branch, name_parameters(filled))
        if file is not None and not trainable:
            space = with_metric(space, file.objective.metric)
        # A broken range is one problem, not two.
        rules = _user_rules(space) if trainable else check_space(space, grid=grid)
        found += [
            (path, rule) for path, rule in rules if not any(known[: len(path)] == path for known, _ in space_problems)
        ]
        found += check_grid(space) if grid else ()
    raise_problems(document, found)
    assert file is not None
    assert isinstance(space, Branch)
    return StudySpec(file, space, document)


def _name_of(path: Path) -> str:
    """Return the name of a study whose file has no `name`: that of the file."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem)


def _top_level(kind: type[StudyFile], data: dict[str, Any]) -> tuple[StudyFile | None, list[Problem]]:
    try:
        return kind.model_validate(data), []
    except ValidationError as error:
        return None, problems_of(error, kind)


def _user_rules(space: Branch) -> Iterator[Problem]:
    """Yield the broken rules about the keys of a user's own training."""
    if TRAINABLE in space.items:
        yield ("trial", TRAINABLE), "`trainable` stands beside `trial`, not in it"
    seeds = {concrete(space, pick_from(params)).get(SEED) for params in corners(space)} - {None}
    if not all(isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**32 for seed in seeds):
        yield ("trial", SEED), f"`seed` must be a whole number from 0 to 2**32 - 1, but got {shown_value(seeds)}"


def stored_study(text: str, name: str) -> StudySpec:
    """Return the study of a stored text, which was checked when it was run; files that it names may be gone.

    Raises:
        StudyFileError: another version of hpsearch accepted what this one refuses.
    """
    source = f"the file of study '{name}'"
    return checked(Document(source, load_value(text, source)), name)


def readable_study(text: str, name: str) -> StudySpec | None:
    """Return `stored_study`, or None if the text is empty or this version cannot read it."""
    if text:
        with suppress(StudyFileError):
            return stored_study(text, name)
    return None


def varied_of(spec: StudySpec | None, configs: Iterable[AnyConfig]) -> Varied:
    """Return the values that differ between the trials of a stored study.

    Args:
        spec: of the study; where it is None, the trials are compared with each other.
        configs: of the trials.
    """
    return spec.varied if spec else find_varied(configs)


def stored_trial(plain: Mapping[str, Any], name: str, overrides: Iterable[str] = ()) -> AnyConfig:
    """Return the configuration that a trial was trained with.

    Args:
        plain: as the study keeps it.
        name: of the trial, for messages.
        overrides: `trial.key.path=value` each, which replace its own values.

    Raises:
        StudyFileError: an override breaks a rule, or another version of hpsearch accepted what this one refuses.
    """
    document = apply_overrides(Document(name, {"trial": dict(plain)}), overrides)
    if others := [key for key in document.data if key != "trial"]:
        raise StudyFileError([f"{document.location((others[0],))}: must begin with `trial.`, as in trial.seed=123"])
    values = document.data["trial"]
    if not isinstance(values, dict) or values.get(TRAINABLE) != plain.get(TRAINABLE):
        raise StudyFileError([f"{document.location(('trial',))}: another training than the one that is recorded"])
    raise_problems(document, not_finite(values, ("trial",)))
    if TRAINABLE in values:
        return TrainableConfig.of(values)
    try:
        return TrialConfig.model_validate(values)
    except ValidationError as error:
        found = [(("trial", *path), sentence) for path, sentence in problems_of(error, TrialConfig)]
    raise problem_error(document, found)
