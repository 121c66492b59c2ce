"""The sections of a configuration that name no catalogue row: data, batch size, training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from hpsearch.catalogue.datasets import DATASETS, is_user_dataset
from hpsearch.catalogue.metrics import METRICS
from hpsearch.config.reference import OwnCode
from hpsearch.errors import unknown_name


class Frozen(BaseModel):
    """No unknown keys, no silent conversions, no changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _known_dataset(name: str) -> str:
    if name not in DATASETS and not is_user_dataset(name):
        raise ValueError(unknown_name("dataset", name, DATASETS) + "; your own: a file .npz or module:function")
    return name


class DataConfig(Frozen):
    """Which examples, how they are split and normalized."""

    dataset: Annotated[str, AfterValidator(_known_dataset)] = Field(
        "fashion_mnist",
        description="of the catalogue; or an .npz file with x_train, y_train, x_test, y_test; or module:function",
        json_schema_extra={"anyOf": [{"enum": list(DATASETS)}, {"pattern": r"\.npz$"}, {"pattern": ":"}]},
    )
    train_examples: Annotated[int, Field(ge=1)] | None = Field(
        None, description="train on so many examples, of every class its share; left out: on all that are not held out"
    )
    validation: Annotated[int, Field(ge=0)] | None = Field(
        None,
        description="examples held out of the training set, stratified by class; left out: a twelfth; 0: none, for a "
        "last training on everything",
    )
    split_seed: int = Field(0, ge=0, lt=2**32, description="draws the held-out examples; the same for all trials")
    normalization: Literal["rescale", "standardize", "none"] | None = Field(
        None,
        description="rescale: divided by 255; standardize: mean 0, deviation 1 by the training part; none: as it is; "
        "left out: rescale for uint8, standardize for every other type",
    )

    @property
    def training_examples(self) -> int | None:
        """How many examples are trained on; None: a user's own dataset has not been read."""
        return None if self.dataset not in DATASETS else self.examples_of(DATASETS[self.dataset].train_examples)[0]

    def examples_of(self, total: int) -> tuple[int, int]:
        """How many of `total` examples are trained on and how many are held out.

        Raises:
            ValueError: there are not so many.
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
        """Return the normalization of examples of this type, by the type where the configuration names none."""
        return self.normalization or ("rescale" if dtype == "uint8" else "standardize")

    @model_validator(mode="before")
    @classmethod
    def _pixels_are_rescaled(cls, value: Any) -> Any:
        """Write down the normalization of a catalogue's dataset; that of a user's own is known once it is read."""
        if isinstance(value, Mapping) and value.get("normalization") is None:
            dataset = value.get("dataset", cls.model_fields["dataset"].default)
            return {**value, "normalization": "rescale"} if dataset in DATASETS else value
        return value

    @model_validator(mode="after")
    def _leaves_something(self) -> DataConfig:
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
    """How to train. The weights of the best epoch are restored at the end in every case."""

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
    callbacks: Annotated[tuple[OwnCode, ...], Field(strict=False)] = Field(
        (), description="a user's Keras callbacks as `module:name`, called with nothing; told of epochs, not of batches"
    )

    @property
    def last_epoch(self) -> int:
        """The epoch after which training ends at the latest."""
        return min(self.max_epochs, self.stop_after or self.max_epochs)
