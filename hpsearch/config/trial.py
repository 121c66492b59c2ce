"""TrialConfig: the configuration of one training, every value fixed. Workers train it, and `best.yaml` holds it.

The sections that select an entry of the catalogue (`model`, `optimizer`, `schedule`, `loss`) are typed by its knobs,
so a value is checked once, here, for study files and exported configurations alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    ValidationError,
    create_model,
    model_validator,
)

from hpsearch.catalogue.datasets import DATASETS, is_user_dataset
from hpsearch.catalogue.entries import Entry, Knob, Reference
from hpsearch.catalogue.losses import LOSSES
from hpsearch.catalogue.metrics import METRICS
from hpsearch.catalogue.models import MODELS
from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.catalogue.schedules import SCHEDULES
from hpsearch.config.user_modules import CodeReference
from hpsearch.errors import InvalidConfigError, unknown_name


class Frozen(BaseModel):
    """A pydantic model without unknown keys, silent conversions or later changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _known_dataset(name: str) -> str:
    if name not in DATASETS and not is_user_dataset(name):
        raise ValueError(unknown_name("dataset", name, DATASETS) + "; your own: a file .npz or module:function")
    return name


class DataConfig(Frozen):
    """The dataset, its split and its normalization."""

    dataset: Annotated[str, AfterValidator(_known_dataset)] = Field(
        "fashion_mnist",
        description="of the catalogue; or an .npz file with x_train, y_train, x_test, y_test; or module:function",
        json_schema_extra={"anyOf": [{"enum": list(DATASETS)}, {"pattern": r"\.npz$"}, {"pattern": ":"}]},
    )
    train_examples: Annotated[int, Field(ge=1)] | None = Field(
        None, description="number of training examples, stratified by class; left out: all that are not held out"
    )
    validation: Annotated[int, Field(ge=0)] | None = Field(
        None,
        description="examples held out of the training set, stratified by class; left out: a twelfth; 0: none, for a "
        "last training on all examples",
    )
    split_seed: int = Field(0, ge=0, lt=2**32, description="draws the held-out examples; the same for all trials")
    normalization: Literal["rescale", "standardize", "none"] | None = Field(
        None,
        description="rescale: divided by 255; standardize: mean 0, deviation 1 by the training part; none: as it is; "
        "left out: rescale for uint8, standardize for every other type",
    )

    @property
    def training_examples(self) -> int | None:
        """The number of training examples; None for a user's own dataset, which has not been read."""
        return None if self.dataset not in DATASETS else self.examples_of(DATASETS[self.dataset].train_examples)[0]

    def examples_of(self, total: int) -> tuple[int, int]:
        """Return the numbers of training and of held-out examples, out of `total`.

        Raises:
            ValueError: `total` is too small.
        """
        held_out = self.validation if self.validation is not None else total // 12
        if held_out >= total:
            raise ValueError(
                f"`validation` is {held_out:,}, but {self.dataset} has only {total:,} training images, and "
                "some must be left"
            )
        left = total - held_out
        if self.train_examples is not None and self.train_examples > left:
            raise ValueError(
                f"`train_examples` is {self.train_examples:,}, but only {left:,} images are left where {held_out:,} "
                "are held out"
            )
        return self.train_examples or left, held_out

    def normalization_of(self, dtype: str) -> Literal["rescale", "standardize", "none"]:
        """Return the configured normalization, or else the default for examples of type `dtype`."""
        return self.normalization or ("rescale" if dtype == "uint8" else "standardize")

    @model_validator(mode="before")
    @classmethod
    def _set_normalization(cls, value: Any) -> Any:
        """Set the default normalization of a dataset of the catalogue; a user's own dataset must be read first."""
        if isinstance(value, Mapping) and value.get("normalization") is None:
            dataset = value.get("dataset", cls.model_fields["dataset"].default)
            return {**value, "normalization": "rescale"} if dataset in DATASETS else value
        return value

    @model_validator(mode="after")
    def _check_examples(self) -> DataConfig:
        if self.dataset in DATASETS:
            self.examples_of(DATASETS[self.dataset].train_examples)
        return self


_ClassWeight = Annotated[
    Annotated[Literal["balanced"], Tag("word")]
    | Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(strict=False), Tag("numbers")],
    Discriminator(lambda value: "word" if isinstance(value, str) else "numbers"),
]


class EarlyStopping(Frozen):
    """Stop when the objective has not improved for `patience` epochs."""

    patience: int = Field(4, ge=1, description="epochs without improvement before training ends")
    min_delta: float = Field(0.0, ge=0, description="an improvement must be larger than this")


BatchSize = Annotated[
    Annotated[Literal["full"], Tag("word")] | Annotated[int, Field(ge=1), Tag("number")],
    Discriminator(lambda value: "word" if value == "full" else "number"),
]


class TrainingConfig(Frozen):
    """How to train. At the end, the weights of the best epoch are always restored."""

    max_epochs: int = Field(20, ge=1, le=100_000, description="passes over the training data at most")
    early_stopping: EarlyStopping | None = Field(
        default_factory=EarlyStopping, description="null: always train for max_epochs"
    )
    stop_after: Annotated[int, Field(ge=1)] | None = Field(
        None, description="end after this epoch, while schedules run over max_epochs all the same"
    )
    engine: Literal["auto", "xla", "graph", "fit"] = Field(
        "auto",
        description="xla: epochs compiled by XLA, for each batch size; graph: compiled once for all batch sizes; "
        "fit: stock model.fit; auto: xla for dense and recurrent models in studies that repay the compilation, else "
        "graph",
    )
    class_weight: _ClassWeight | None = Field(
        None,
        description="what each class counts in the training loss, a number a class; balanced: classes count the same",
    )
    gradient_noise: bool = Field(
        False, description="measure the gradient noise scale at each epoch (McCandlish et al. 2018, arXiv:1812.06162)"
    )
    metrics: Annotated[tuple[Literal[tuple(METRICS)], ...], Field(strict=False)] = Field(  # type: ignore[valid-type]
        (), description="more metrics of every epoch, of training and validation"
    )
    callbacks: Annotated[tuple[CodeReference, ...], Field(strict=False)] = Field(
        (),
        description="a user's Keras callbacks as `module:name`, built without arguments; called for epochs only",
    )

    @property
    def last_epoch(self) -> int:
        """The epoch after which training ends at the latest."""
        return min(self.max_epochs, self.stop_after or self.max_epochs)


# For each section that selects an entry of the catalogue: the key that holds the entry's name, and the entries.
SELECTIONS: dict[str, tuple[str, Mapping[str, Entry]]] = {
    "model": ("architecture", MODELS),
    "optimizer": ("name", OPTIMIZERS),
    "schedule": ("name", SCHEDULES),
    "loss": ("name", LOSSES),
}

# Keys of `data` and `training` that most configurations leave out.
UNUSED = ("train_examples", "normalization", "stop_after", "class_weight", "gradient_noise", "metrics", "callbacks")
# Knobs that have no effect unless another knob is switched on.
DEPENDENT = {"ema_momentum": "use_ema", "warmup_from": "warmup"}


# A value's section, the catalogue entry whose knob it is (or ""), and its plain name.
LeafKey = tuple[str, str, str]


class Leaf(NamedTuple):
    """One value of a configuration.

    Attributes:
        section: the section that holds it.
        entry: the selected catalogue entry whose knob it is, for instance adam; empty for other values.
        name: its plain name, as in `TrialConfig.flat`.
        value: as plain data.
        used: whether `TrialConfig.flat` contains it.
    """

    section: str
    entry: str
    name: str
    value: Any
    used: bool = True

    @property
    def key(self) -> LeafKey:
        """The unique name of the value within the configuration."""
        return self.section, self.entry, self.name


def short_for(key: str, schema: Any) -> BeforeValidator:
    """Accept a string in place of a mapping: `cosine` for `{name: cosine}`.

    Args:
        schema: the type of both forms, for the JSON Schema.
    """
    return BeforeValidator(
        lambda value: {key: value} if isinstance(value, str) else value, json_schema_input_type=schema
    )


class Selected(Frozen):
    """A selected catalogue entry with the values of its knobs.

    Attributes:
        entry: of the catalogue.
    """

    entry: ClassVar[Entry]

    def selected(self) -> str:
        """Return the entry's name."""
        return self.entry.name

    def knobs(self) -> dict[str, Any]:
        """Return every knob by its Keras name."""
        return {name: getattr(self, name) for name in list(type(self).model_fields)[1:]}


def _field(knob: Knob) -> tuple[Any, Any]:
    """Return a knob as a pydantic field. Bounds of a tuple hold for each element, those of `X | None` for X."""
    bounds = {rule: limit for rule in ("gt", "ge", "lt", "le") if (limit := getattr(knob, rule)) is not None}
    kind: Any = knob.type
    if kind is Reference:
        kind = CodeReference
    elif get_origin(kind) is dict:
        kind = dict[str, JsonValue]
    elif get_origin(kind) is tuple:
        kind = Annotated[tuple[Annotated[get_args(kind)[0], Field(**bounds)], ...], Field(strict=False)]  # type: ignore[misc]
    elif type(None) in get_args(kind):
        kind = Annotated[get_args(kind)[0], Field(**bounds)] | None
    else:
        kind = Annotated[kind, Field(**bounds)]
    return kind, Field(knob.default, description=knob.doc)


def _entry_model(section: str, key: str, entry: Entry) -> type[Selected]:
    def check(self: Selected) -> Selected:
        if entry.check and (problem := entry.check(self.knobs())):
            raise ValueError(problem)
        return self

    fields: Any = {key: (Literal[entry.name], Field(description=entry.formula))}
    fields |= {knob.name: _field(knob) for knob in entry.knobs}
    validators: Any = {"check": model_validator(mode="after")(check)}
    model = create_model(
        f"{section}_{entry.name}", __base__=Selected, __doc__=entry.formula, __validators__=validators, **fields
    )
    model.entry = entry
    return model


def _any_entry(section: str) -> Any:
    """Return the union of a catalogue's entries, discriminated by name; `adam` is short for `{name: adam}`."""
    key, entries = SELECTIONS[section]
    union: Any = Union[tuple(_entry_model(section, key, entry) for entry in entries.values())]  # noqa: UP007
    kind: Any = Annotated[union, Field(discriminator=key)] if len(entries) > 1 else union
    bare: Any = Literal[tuple(entry.name for entry in entries.values() if entry.complete)]
    return Annotated[kind, short_for(key, bare | kind)]


if TYPE_CHECKING:
    AnyModel = Selected
    AnyOptimizer = Selected
    AnySchedule = Selected
    AnyLoss = Selected
else:
    AnyModel, AnyOptimizer, AnySchedule, AnyLoss = map(_any_entry, SELECTIONS)


def _named(section: str, name: str) -> Any:
    return Field(default_factory=lambda: {SELECTIONS[section][0]: name}, validate_default=True)


class TrialConfig(Frozen):
    """The configuration of one training. Knobs that are left out have the Keras default."""

    data: DataConfig = Field(default_factory=DataConfig)
    model: AnyModel = _named("model", "mlp")
    optimizer: AnyOptimizer = _named("optimizer", "adam")
    schedule: AnySchedule = _named("schedule", "constant")
    loss: AnyLoss = _named("loss", "categorical_crossentropy")
    batch_size: BatchSize = Field(32, description="examples per update; full: all of them, one update an epoch")
    training: TrainingConfig = Field(default_factory=TrainingConfig)
    seed: int | None = Field(
        None,
        ge=0,
        lt=2**32,
        description="initial weights, order of examples, dropout; left out: one per trial",
    )

    @model_validator(mode="after")
    def _check_sections(self) -> TrialConfig:
        for problem in self._problems():
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        """Yield a sentence for each broken rule that concerns several sections."""
        dataset, data, training = DATASETS.get(self.data.dataset), self.data, self.training
        images = data.training_examples
        if images is not None and self.batch_size != "full" and self.batch_size > images:
            yield f"`batch_size` is {self.batch_size:,}, but there are only {images:,} training images"
        if dataset and (problem := self.shape_problem(dataset.image_shape)):
            yield problem
        model, optimizer = self.model.selected(), self.optimizer.selected()
        if training.engine == "xla" and not self.model.entry.xla:
            yield f"`engine` xla takes minutes to compile the convolutions of {model} on a CPU; use auto or graph"
        if self.optimizer.entry.needs_closure:
            if dropout := self.model.knobs().get("dropout"):
                yield f"`dropout` is {dropout}, but must be 0 with {optimizer}, which needs the same loss each time"
            if training.engine in ("xla", "fit"):
                yield f"`engine` is {training.engine}, but must be auto or graph with {optimizer}"
        if data.validation == 0 and training.early_stopping is not None:
            yield "`early_stopping` must be null with `validation` 0: nothing is held out to stop by"
        if isinstance(weights := training.class_weight, tuple):
            if dataset and len(weights) != len(dataset.classes):
                yield f"`class_weight` must have {len(dataset.classes)} numbers, one a class, but got {len(weights)}"
            if not any(weights):
                yield "`class_weight` must have a number above 0, but got zeros only"

    def shape_problem(self, shape: tuple[int, ...]) -> str | None:
        """Return why the model cannot take examples of this shape, or None.

        Args:
            shape: of one example.
        """
        check = self.model.entry.check_shape
        return check(shape, self.model.knobs()) if check else None

    def for_data(self, dtype: str) -> TrialConfig:
        """Return the configuration with the default normalization for examples of type `dtype`, if it has none."""
        if self.data.normalization is not None:
            return self
        data = self.data.model_copy(update={"normalization": self.data.normalization_of(dtype)})
        return self.model_copy(update={"data": data})

    def batch_of(self, examples: int) -> int:
        """Return the number of examples per update, given the number of training examples."""
        return examples if self.batch_size == "full" else self.batch_size

    @property
    def examples_per_update(self) -> float:
        """Examples per update; infinite for full batches of a user's own dataset, whose size is not known yet."""
        examples = self.data.training_examples
        return math.inf if self.batch_size == "full" and examples is None else self.batch_of(examples or 0)

    def references(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Yield the key path and the text of each reference `module:name` to the user's own code."""
        for section in SELECTIONS:
            selected: Selected = getattr(self, section)
            yield from (((section, knob), selected.knobs()[knob]) for knob in selected.entry.references())
        if ":" in self.data.dataset:
            yield ("data", "dataset"), self.data.dataset
        for index, name in enumerate(self.training.callbacks):
            yield ("training", "callbacks", index), name

    def loss_terms(self, metric: str) -> dict[str, Any]:
        """Return the settings that are part of the metric `loss` or `val_loss`; empty for other metrics.

        Two trials can be compared by such a metric only if these settings are equal. Penalties are part of both losses,
        class weights of the training loss only.
        """
        if metric.removeprefix("val_") != "loss":
            return {}
        knobs = self.model.entry.knobs
        penalties = {f"model.{knob.name}": self.model.knobs()[knob.name] for knob in knobs if knob.penalty}
        terms = {"loss": self.loss.selected(), **{f"loss.{name}": value for name, value in self.loss.knobs().items()}}
        terms |= {name: value for name, value in penalties.items() if value}
        if metric == "loss" and self.training.class_weight is not None:
            terms["training.class_weight"] = self.training.class_weight
        return terms

    def plain(self) -> dict[str, Any]:
        """Return plain data, as YAML and JSON take it."""
        return self.model_dump(mode="json")

    def flat(self) -> dict[str, Any]:
        """Return every value by its plain name, as tables and MLflow's parameters show it.

        `{"optimizer": "adam", "learning_rate": 0.001, "batch_size": 128, "schedule": "cosine", ...}`.
        A name that two sections share is prefixed with the later section's name. What is switched off is left out, for
        instance an optimizer's clipping or averaging, a schedule's warm-up, or callbacks.
        """
        return {leaf.name: leaf.value for leaf in self.leaves() if leaf.used}

    def leaves(self) -> Iterator[Leaf]:
        """Yield every value, including those that are switched off, but not the knobs that depend on these."""
        used: set[str] = set()
        for section, value in self.plain().items():
            entry = ""
            if section in SELECTIONS:
                key = SELECTIONS[section][0]
                entry = value[key]
                yield Leaf(section, "", section, entry)
                used.add(section)
                value = {name: knob for name, knob in value.items() if name != key}  # noqa: PLW2901
            for name, leaf in _leaves(section, value):
                if name in DEPENDENT and not value[DEPENDENT[name]]:
                    continue
                off = leaf is None or leaf == [] or (leaf is False and name in UNUSED)
                left_out = off and (section == "optimizer" or name in UNUSED)
                plain_name = name if name not in used else f"{section}.{name}"
                if not left_out:
                    used.add(plain_name)
                yield Leaf(section, entry, plain_name, leaf, used=not left_out)


def varying_terms(terms: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of the settings that differ between trials, given `TrialConfig.loss_terms` of each trial."""
    every = list(terms)
    names = list(dict.fromkeys(name for one in every for name in one))
    varying = [name for name in names if len({repr(one.get(name)) for one in every}) > 1]
    # If the loss itself varies, its knobs do, too.
    return ["loss"] if "loss" in varying else varying


def _leaves(name: str, value: Any) -> list[tuple[str, Any]]:
    """Return the values of a section by their plain names; a mapping within it prefixes its values with its name."""
    if not isinstance(value, dict):
        return [(name, value)]
    leaves: list[tuple[str, Any]] = []
    for key, below in value.items():
        if isinstance(below, dict):
            leaves += [(f"{key}.{leaf}", item) for leaf, item in below.items()]
        else:
            leaves.append((key, below))
    return leaves


# The keys of a stored TrainableConfig that are not among the user's keys.
TRAINABLE, SEED = "trainable", "seed"


@dataclass(frozen=True)
class TrainableConfig:
    """The configuration of a user's own training.

    Attributes:
        trainable: `module:function`; called as `function(values, seed)`, it yields one mapping of metrics an epoch.
        values: the content of `trial:`, with a value in place of every distribution.
        seed: of the training; None: each trial has its own.
    """

    trainable: str
    values: Mapping[str, Any]
    seed: int | None = None

    @staticmethod
    def of(plain: Mapping[str, Any]) -> TrainableConfig:
        values = {key: value for key, value in plain.items() if key not in (TRAINABLE, SEED)}
        return TrainableConfig(plain[TRAINABLE], values, plain.get(SEED))

    def plain(self) -> dict[str, Any]:
        """Return plain data, as YAML and JSON take it."""
        return {TRAINABLE: self.trainable, **self.values, SEED: self.seed}

    def flat(self) -> dict[str, Any]:
        """Return every value by its key, those of mappings by `outer.inner`."""
        return {leaf.name: leaf.value for leaf in self.leaves()}

    def leaves(self) -> Iterator[Leaf]:
        """Yield every value."""
        yield from (Leaf("", "", name, value) for name, value in _flat(self.values))
        if self.seed is not None:
            yield Leaf(SEED, "", SEED, self.seed)


AnyConfig = TrialConfig | TrainableConfig


def parse_config(plain: Mapping[str, Any]) -> AnyConfig:
    """Return the configuration that plain data holds; `plain()` is the inverse.

    Raises:
        InvalidConfigError: it breaks a rule.
    """
    if TRAINABLE in plain:
        return TrainableConfig.of(plain)
    try:
        return TrialConfig.model_validate(plain)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where, problem = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
        raise InvalidConfigError(f"{where}: {problem}" if where else problem) from error


def with_seed(config: AnyConfig, seed: int | None) -> AnyConfig:
    """Return the configuration with another seed."""
    if isinstance(config, TrainableConfig):
        return replace(config, seed=seed)
    return config.model_copy(update={SEED: seed})


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def watches_epochs(config: TrialConfig) -> bool:
    """Return whether a callback sets the rates, perhaps by metrics, so that they are known after a training only."""
    return config.schedule.entry.callback


def without_validation(config: TrialConfig, epochs: int, rates: Sequence[float]) -> TrialConfig:
    """Return the configuration that trains on all training examples, without validation, for a number of epochs.

    Args:
        rates: the learning rate of each epoch in a training with validation. They replace a schedule that depends
            on validation metrics, since there are none.
    """
    plain = config.plain()
    plain["data"]["validation"] = 0
    plain["training"] |= {"early_stopping": None, "stop_after": epochs}
    if rates and watches_epochs(config):
        plain["schedule"] = {"name": "piecewise_constant", "values": list(rates[:epochs])}
    return TrialConfig.model_validate(plain)
