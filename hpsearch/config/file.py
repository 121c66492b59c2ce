"""The sections of a study file except `trial:`, and the JSON Schema of the whole file, for editors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from hpsearch.catalogue.metrics import CURVES, DIRECTIONS, SUMMARY_METRICS, WITHOUT_DIRECTION, is_reserved
from hpsearch.config.distributions import RANGES
from hpsearch.config.trial import AnyConfig, Frozen, TrialConfig, short_for
from hpsearch.config.user_modules import CodeReference
from hpsearch.config.yaml_text import is_number

_Names = Annotated[tuple[str, ...], Field(strict=False)]
if TYPE_CHECKING:
    _SummaryMetrics = tuple[str, ...]
    _Curves = tuple[str, ...]
else:
    _SummaryMetrics = Annotated[tuple[Literal[tuple(SUMMARY_METRICS)], ...], Field(strict=False)]
    _Curves = Annotated[tuple[Literal[tuple(CURVES)], ...], Field(strict=False)]


class Compare(Frozen):
    """The comparison of groups of trials by mean, standard deviation and count of summary metrics."""

    by: _Names = Field(
        min_length=1,
        description="what trials of one group have in common: parameters (model.activation) or plain values "
        "(learning_rate); the first one is the horizontal axis",
    )
    best_of: _Names = Field((), description="of these each group keeps the values with the best mean objective")
    target: float | None = Field(None, description="of the objective, for epochs_to_target and seconds_to_target")
    report: _SummaryMetrics = Field(("val_accuracy", "epochs", "seconds_per_epoch"), description="the table's columns")
    curves: _Curves = Field(("val_accuracy",), description="plots of these metrics over the epochs")
    values: _SummaryMetrics = Field(("val_accuracy",), description="plots of these metrics over the first of `by`")
    growth: _SummaryMetrics = Field((), description="plots with a power law: metric = c x^k, x the first of `by`")
    log_x: bool = Field(False, description="a logarithmic horizontal axis under `values`")

    @model_validator(mode="after")
    def _check_target(self) -> Compare:
        wanted = [name for name in (*self.report, *self.values, *self.growth) if name.endswith("_to_target")]
        if wanted and self.target is None:
            raise ValueError(f"`target` must be given for {wanted[0]}, but got null")
        return self


def value_of(name: str, params: Mapping[str, Any], flat: Mapping[str, Any]) -> Any:
    """Return the value of a trial under a name: an option's label where it is a parameter, else the plain value.

    Args:
        params: as Optuna holds them.
        flat: the configuration, as `TrialConfig.flat` gives it.
    """
    return params[name] if name in params else flat.get(name)


def as_number(value: Any, config: AnyConfig | None) -> float | None:
    """Return a value on a numeric axis, or None if it is no number; `full`, of a batch, is all training examples."""
    if value == "full":
        return config.data.training_examples if isinstance(config, TrialConfig) else None
    return float(value) if is_number(value) else None


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NAME_RULE = "1 to 64 letters, digits, dots, dashes or underscores and begin with a letter or digit"


class Objective(Frozen):
    """What a trial reports: this metric at its best epoch."""

    metric: str = "val_accuracy"
    direction: Literal["maximize", "minimize"] = Field("maximize", description="left out: the metric's own")
    # Metrics that are surely those that hpsearch knows by these names.
    fixed_directions: ClassVar = tuple(name for name in DIRECTIONS if name.removeprefix("val_") in ("accuracy", "loss"))

    @model_validator(mode="before")
    @classmethod
    def _take_direction(cls, value: Any) -> Any:
        metric = value.get("metric", "val_accuracy") if isinstance(value, Mapping) else None
        # Only the user knows the direction of a metric of their own.
        return {"direction": DIRECTIONS[metric], **value} if metric in DIRECTIONS else value

    @model_validator(mode="after")
    def _check_direction(self) -> Objective:
        if self.metric in self.fixed_directions and self.direction != DIRECTIONS[self.metric]:
            known = DIRECTIONS[self.metric]
            raise ValueError(f"`direction` of {self.metric} must be {known}, but got {self.direction}")
        return self

    def better(self, value: float, than: float | None, min_delta: float = 0.0) -> bool:
        """Return whether `value` improves on `than` by more than `min_delta`; anything improves on None."""
        return than is None or self.gain(value) > self.gain(than) + min_delta

    def gain(self, value: float) -> float:
        """Return `value` as something to maximize."""
        return value if self.direction == "maximize" else -value


class KerasObjective(Objective):
    """One of the metrics that a Keras training records; those of `training.metrics` are added to it where needed."""

    metric: Literal[(*DIRECTIONS, *WITHOUT_DIRECTION)] = "val_accuracy"  # type: ignore[valid-type]
    fixed_directions: ClassVar = tuple(DIRECTIONS)

    @model_validator(mode="before")
    @classmethod
    def _require_direction(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and value.get("metric") in WITHOUT_DIRECTION and "direction" not in value:
            why = f"since {value['metric']} has none of its own"
            raise ValueError(f"the key 'direction' is missing: maximize or minimize, {why}")
        return value


class TrainableObjective(Objective):
    """Any metric that a user's own training yields."""

    metric: str = Field("val_accuracy", min_length=1, max_length=200)

    @model_validator(mode="before")
    @classmethod
    def _require_direction(cls, value: Any) -> Any:
        metric = value.get("metric", "val_accuracy") if isinstance(value, Mapping) else "val_accuracy"
        if metric not in DIRECTIONS and "direction" not in value:
            raise ValueError("the key 'direction' is missing: maximize or minimize, for a metric of your own")
        if is_reserved(str(metric)):
            raise ValueError(
                f"`metric` must not be {metric!r}, a name that hpsearch uses itself; yield it under another name"
            )
        return value


_MetricName: Any = Literal[tuple(DIRECTIONS)]


class Tpe(Frozen):
    """Tree-structured Parzen estimator (Bergstra et al. 2011, NeurIPS)."""

    name: Literal["tpe"] = "tpe"
    startup_trials: int = Field(10, ge=0, description="trials drawn at random before the model is used")


class RandomSearch(Frozen):
    """Every trial drawn independently (Bergstra and Bengio 2012, JMLR 13)."""

    name: Literal["random"] = "random"


class QuasiMonteCarlo(Frozen):
    """Points of a low-discrepancy sequence, more even than random ones (Bousquet et al. 2017, arXiv:1706.03200)."""

    name: Literal["qmc"] = "qmc"
    sequence: Literal["sobol", "halton"] = Field("sobol", description="the low-discrepancy sequence, scrambled")


class RandomForest(Frozen):
    """A random forest over configuration and epoch, and expected improvement, as SMAC (Hutter et al. 2011, LION 5)."""

    name: Literal["forest"] = "forest"
    startup_trials: int = Field(10, ge=0, description="trials drawn at random before the model is used")


class CmaEs(Frozen):
    """Covariance matrix adaptation evolution strategy (Hansen 2016, arXiv:1604.00772), for numbers outside of choices.

    Choices, and what is inside of them, are drawn at random.
    """

    name: Literal["cmaes"] = "cmaes"
    population: int | None = Field(None, ge=4, description="trials of a generation; null: 4 + floor(3 ln n), n numbers")


class Nsga2(Frozen):
    """Evolution by crossover and mutation: the genetic algorithm NSGA-II (Deb et al. 2002, IEEE TEVC 6(2)).

    What is inside of a choice is drawn at random.
    """

    name: Literal["nsga2"] = "nsga2"
    population: int = Field(10, ge=2, description="trials of a generation; those of the first one are random")


class PriorBand(Frozen):
    """Draws at random, around the priors or around the best trial (Mallik et al. 2023, arXiv:2306.12370)."""

    name: Literal["priorband"] = "priorband"


class GaussianProcess(Frozen):
    """A Gaussian process and expected improvement, as Optuna's GPSampler; needs PyTorch.

    Numbers and choices that only some trials have are drawn at random.
    """

    name: Literal["gp"] = "gp"
    startup_trials: int = Field(10, ge=0, description="trials drawn at random before the model is used")


class Grid(Frozen):
    """Every combination of the choices once; what is left out takes its default."""

    name: Literal["grid"] = "grid"


class _Rungs(Frozen):
    name: str
    min_resource: int = Field(2, ge=1, description="epochs that every trial may train: the first rung")
    reduction_factor: int = Field(3, ge=2, description="one of this many continues at each rung")


class Asha(_Rungs):
    """Asynchronous successive halving with promotion (Li et al. 2020, arXiv:1810.05934, algorithm 2).

    Pauses a trial at each rung, and continues the best paused ones.
    """

    name: Literal["asha"] = "asha"


class AshaStop(_Rungs):
    """Asynchronous successive halving that stops a trial at a rung for good, as Optuna's SuccessiveHalvingPruner."""

    name: Literal["asha_stop"] = "asha_stop"


class Median(Frozen):
    """Stops a trial that is worse than the median of the earlier ones at the same epoch."""

    name: Literal["median"] = "median"
    startup_trials: int = Field(5, ge=0, description="trials that finish before any is pruned")
    warmup_epochs: int = Field(2, ge=0, description="epochs that every trial may train")


class Percentile(Frozen):
    """Stops a trial that is not among the best `percentile` percent of the earlier ones at the same epoch."""

    name: Literal["percentile"] = "percentile"
    percentile: float = Field(25.0, ge=0, le=100, description="percent of the earlier trials that are good enough")
    startup_trials: int = Field(5, ge=0, description="trials that finish before any is pruned")
    warmup_epochs: int = Field(2, ge=0, description="epochs that every trial may train")


class Threshold(Frozen):
    """Stops a trial whose best value is outside of fixed bounds."""

    name: Literal["threshold"] = "threshold"
    lower: float | None = Field(None, description="a trial whose best value is below this is stopped")
    upper: float | None = Field(None, description="a trial whose best value is above this is stopped")
    warmup_epochs: int = Field(2, ge=0, description="epochs that every trial may train")

    @model_validator(mode="after")
    def _check_bounds(self) -> Threshold:
        if self.lower is None and self.upper is None:
            raise ValueError("`lower` or `upper` must be set, but got neither")
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise ValueError(f"`lower` must be at most `upper`, but got {self.lower:g} and {self.upper:g}")
        return self


class NoPruner(Frozen):
    """Every trial trains to its end."""

    name: Literal["none"] = "none"


def _seconds(value: Any, info: ValidationInfo) -> Any:
    """Return `90`, `90s`, `20m` or `2h` in seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|h)", value) if isinstance(value, str) else None
    if match:
        return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]
    if isinstance(value, str):
        raise ValueError(f"`{info.field_name}` must be seconds or a duration such as 90s, 20m or 2h, but got {value!r}")
    return value


_LEAST_MEMORY = 100 * 2**20


def _bytes(value: Any) -> Any:
    """Return `512MB` or `4GB` in bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(MB|GB)", value) if isinstance(value, str) else None
    if isinstance(value, str) and not match:
        raise ValueError(f"`memory` must be bytes or a size such as 512MB or 4GB, but got {value!r}")
    size = int(float(match[1]) * {"MB": 2**20, "GB": 2**30}[match[2]]) if match else value
    if isinstance(size, int | float) and not isinstance(size, bool) and size < _LEAST_MEMORY:
        raise ValueError(f"`memory` is {value}, but must be 100MB or more")
    return size


_Positive = Annotated[float, Field(gt=0)]
_NotNegative = Annotated[float, Field(ge=0)]
_Seconds = Annotated[_Positive, BeforeValidator(_seconds, json_schema_input_type=_Positive | str)]
_Size = Annotated[int, Field(ge=_LEAST_MEMORY)]
_Sampler = Annotated[
    Tpe | RandomSearch | QuasiMonteCarlo | RandomForest | CmaEs | Nsga2 | PriorBand | GaussianProcess | Grid,
    Field(discriminator="name"),
]
_SamplerName = Literal["tpe", "random", "qmc", "forest", "cmaes", "nsga2", "priorband", "gp", "grid"]
_Pruner = Annotated[Asha | AshaStop | Median | Percentile | Threshold | NoPruner, Field(discriminator="name")]


# The keys of `search` that say when the search ends. They may change between two runs of a study.
BUDGET = ("trials", "timeout", "total_epochs", "stop_at", "patience_trials")


class SearchConfig(Frozen):
    """How the space is searched, and how long."""

    sampler: Annotated[_Sampler, short_for("name", _SamplerName | _Sampler)] = Tpe()
    pruner: Annotated[
        _Pruner, short_for("name", Literal["asha", "asha_stop", "median", "percentile", "none"] | _Pruner)
    ] = Asha()
    trials: int = Field(
        40, ge=1, le=1_000_000, description="the study's total, earlier runs included; of a grid: every point"
    )
    timeout: _Seconds | None = Field(None, description="no new trial starts after this long: 90s, 20m, 2h or seconds")
    total_epochs: Annotated[int, Field(ge=1)] | None = Field(
        None, description="no new trial starts once all trials together have trained this many epochs"
    )
    stop_at: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        None, description="no new trial starts once a trial has reached this value of the objective"
    )
    patience_trials: Annotated[int, Field(ge=1)] | None = Field(
        None, description="no new trial starts after this many trials in a row without a better one"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="of the sampler; trial N trains with seed + N")
    baselines: bool = Field(
        True, description="try each optimizer's Keras defaults first; only asha pauses and prunes them, except Adam's"
    )
    balance: str | None = Field(
        None, description="a choice whose options all get the same number of trials: optimizer; left out: no choice"
    )

    @model_validator(mode="before")
    @classmethod
    def _set_grid_defaults(cls, value: Any) -> Any:
        """Set no pruner for a grid, whose points are all trained to their end, unless the file has one."""
        sampler = value.get("sampler") if isinstance(value, Mapping) else None
        if sampler == "grid" or (isinstance(sampler, Mapping) and sampler.get("name") == "grid"):
            return {"pruner": "none", "baselines": False, **value}
        return value

    @model_validator(mode="after")
    def _check_baselines(self) -> SearchConfig:
        if isinstance(self.sampler, Grid) and self.baselines:
            raise ValueError("`baselines` must be false under a grid, which tries its own points only, but got true")
        return self

    @model_validator(mode="after")
    def _check_balance(self) -> SearchConfig:
        # Under qmc: every second or fourth point of a Sobol sequence may lie in one half of the space.
        why = {"grid": "which trains each of its points once", "qmc": "whose points belong to all options together"}
        if self.balance is not None and self.sampler.name in why:
            name = self.sampler.name
            raise ValueError(f"`balance` must be left out under {name}, {why[name]}, but got {self.balance}")
        return self


class Limits(Frozen):
    """What one trial may take. They may be changed between two runs of a study."""

    trial_seconds: _Seconds | None = Field(
        None, description="a trial that trains for longer is ended, and cannot win: 90s, 20m, 2h or seconds"
    )
    epoch_seconds: _Seconds | None = Field(
        None,
        description="a worker that finishes no epoch for this long is stuck: it is replaced and the trial continued",
    )
    memory: Annotated[_Size, BeforeValidator(_bytes, json_schema_input_type=_Size | str)] | None = Field(
        None, description="a trial whose worker holds more is ended, and cannot win; TensorFlow alone takes about 0.9GB"
    )
    retries: int = Field(
        2, ge=0, description="how often a trial whose worker died is retried if it gets no further than before"
    )
    checkpoint_seconds: Annotated[
        _NotNegative, BeforeValidator(_seconds, json_schema_input_type=_NotNegative | str)
    ] = Field(10.0, description="the state of a running trial is saved this often, but at most once an epoch")


class Finalists(Frozen):
    """How many of the best trials are retrained, with how many new seeds."""

    top: int = Field(3, ge=1)
    seeds: int = Field(5, ge=2)


def _study_name(value: Any) -> Any:
    if isinstance(value, str) and not NAME.fullmatch(value):
        raise ValueError(f"`name` must be {NAME_RULE}, but got {value!r}")
    return value


class StudyFile(Frozen):
    """The top level of a study file; what is below `trial` is checked in `hpsearch.config.space`."""

    name: Annotated[str, BeforeValidator(_study_name)]
    description: str = ""
    objective: Annotated[KerasObjective, short_for("metric", _MetricName | KerasObjective)] = KerasObjective()
    trial: dict[str, Any] = Field(default_factory=dict)
    search: SearchConfig = SearchConfig()
    enqueue: list[dict[str, Any]] = Field(default_factory=list)
    limits: Limits = Limits()
    system_metrics: bool = Field(False, description="each epoch also says how busy the machine and its worker are")
    finalists: Finalists | None = None
    compare: Compare | None = None
    quick: dict[str, Any] = Field(
        default_factory=dict,
        description="what --quick sets, by key path: `trial.training.max_epochs: 3`",
    )


_TrainableObjective = Annotated[TrainableObjective, short_for("metric", _MetricName | TrainableObjective)]


class TrainableStudyFile(StudyFile):
    """The top level of a study over a user's own training: any keys under `trial`, any metric."""

    trainable: CodeReference = Field(
        description="module:function, called as function(config, seed); yields a mapping of metrics an epoch"
    )
    objective: _TrainableObjective = TrainableObjective()  # type: ignore[assignment]


_PRIOR_OPTION = "the recommended option: as it is written, its label, or the name of its catalogue entry"
# Which distributions can yield which JSON type.
_NUMERIC = {"number": ("float", "int", "one_minus"), "integer": ("int",)}


def study_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a study file, with which an editor completes keys and marks mistakes.

    It is pydantic's own schema of the file and of TrialConfig, with one change: below `trial:`, wherever a value may
    stand, a distribution may stand instead.
    """
    schema = StudyFile.model_json_schema()
    # With `trainable` the keys under `trial` are the user's.
    user_schema = TrainableStudyFile.model_json_schema()
    trial = TrialConfig.model_json_schema(ref_template="#/$defs/trial.{model}")
    definitions = {f"trial.{name}": _open(node) for name, node in trial.pop("$defs").items()}
    definitions |= {f"distribution.{kind}": model.model_json_schema() for kind, model in RANGES.items()}
    schema["$defs"] |= {**user_schema["$defs"], **definitions, "trial": _open(trial)}
    properties = schema["properties"]
    objective, properties["objective"] = properties["objective"], {}
    properties |= {"trainable": user_schema["properties"]["trainable"], "trial": {"type": "object"}}
    return schema | {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "hpsearch study file",
        # Without a key `name` the study has the name of its file.
        "required": [key for key in schema["required"] if key != "name"],
        "if": {"required": ["trainable"]},
        "then": {"properties": {"objective": user_schema["properties"]["objective"]}},
        "else": {"properties": {"objective": objective, "trial": {"$ref": "#/$defs/trial"}}},
    }


def _open(node: dict[str, Any]) -> dict[str, Any]:
    """Return a mapping's schema in which each value may be a distribution instead."""
    properties = node.get("properties", {})
    opened = {key: value if "const" in value else _or_distribution(value) for key, value in properties.items()}
    return {**node, "properties": opened} if opened else node


def _or_distribution(value: dict[str, Any]) -> dict[str, Any]:
    """Return `value`, or a choice of such values (which may hold distributions again), or a range of numbers."""
    if value.get("type") == "array":
        value = {**value, "items": _or_distribution(value["items"])}
    options = [*value.get("anyOf", ()), *value.get("oneOf", ())]
    kinds = {value.get("type")} | {option.get("type") for option in options}
    ranges = sorted({name for kind in kinds for name in _NUMERIC.get(str(kind), ())})
    numeric = [{"$ref": f"#/$defs/distribution.{name}"} for name in ranges]
    option = {"anyOf": [value, *numeric, {"type": "object", "required": ["choice"]}]}
    listed = {"type": "array", "minItems": 1, "items": option}
    labelled = {"type": "object", "minProperties": 1, "additionalProperties": option}
    choice = {
        "type": "object",
        "properties": {"choice": {"anyOf": [listed, labelled]}, "prior": {"description": _PRIOR_OPTION}},
        "required": ["choice"],
        "additionalProperties": False,
    }
    about: dict[str, Any] = {key: value[key] for key in ("description", "default") if key in value}
    return {**about, "anyOf": [value, *numeric, choice]}
