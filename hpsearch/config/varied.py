"""The values that vary between the trials of a study, as a line for each trial; and the notes on untuned trials."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hpsearch.config.trial import SEED, AnyConfig, Leaf, LeafKey, TrialConfig

# The order in which sections are listed; sections of a user's own training keep the order of the file.
_ORDER = ("optimizer", "batch_size", "schedule", "model", "loss", "data", "training", SEED)
# Significant digits of a float: in a table, and where two configurations would look the same otherwise.
DIGITS, MORE_DIGITS = 4, 8


@dataclass(frozen=True)
class Varied:
    """The values that differ between the trials of a study.

    Attributes:
        keys: of these values. The learning rates of adam and of sgd are two keys with one name.
        labels: the short name of each plain name: `width` for `arguments.width`. Unambiguous within the study.
    """

    keys: tuple[LeafKey, ...]
    labels: Mapping[str, str]

    @property
    def names(self) -> list[str]:
        """The plain names, as `flat()` and MLflow's parameters have them, without duplicates."""
        return list(dict.fromkeys(name for _, _, name in self.keys))

    def with_seed(self) -> Varied:
        """Return these values and the seed."""
        seed = Leaf(SEED, "", SEED, None).key
        return self if seed in self.keys else replace(self, keys=(*self.keys, seed))

    def leaves(self, config: AnyConfig) -> list[Leaf]:
        """Return the values of a configuration under these names, in their order."""
        has = {leaf.key: leaf for leaf in config.leaves()}
        return [has[key] for key in self.keys if key in has]

    def values(self, config: AnyConfig) -> dict[str, Any]:
        """Return the values of a configuration under these names, by plain name."""
        return {leaf.name: leaf.value for leaf in self.leaves(config)}

    def line(self, config: AnyConfig, digits: int | None = DIGITS) -> str:
        """Return `adam learning_rate=0.001213 batch_size=128`; empty where nothing varies.

        Args:
            digits: of a float; None: every value in full, as JSON.
        """
        return " ".join(self._word(leaf, digits) for leaf in self.leaves(config))

    def _word(self, leaf: Leaf, digits: int | None) -> str:
        text = value_text(leaf.value, digits)
        # The optimizer's name has no key: it is first and is followed by its knobs.
        is_optimizer = leaf.section == leaf.name == "optimizer"
        return text if is_optimizer else f"{self.labels.get(leaf.name, leaf.name)}={text}"


class Lines:
    """Gives each configuration a line, and different configurations different lines.

    Most lines show four digits of a float. More are shown where a line would repeat that of another configuration, and
    the seed is added where the configurations differ in nothing else.
    """

    def __init__(self, varied: Varied) -> None:
        self._varied = varied
        self._owners: dict[str, str] = {}

    def line(self, config: AnyConfig) -> str:
        """Return the line of a configuration; the same one each time.

        The untuned Keras default may differ from a finalist only in values that the study does not vary. Both then have
        the same line, and the number printed before it distinguishes them.
        """
        owner = json.dumps(config.plain(), sort_keys=True, default=str)
        for line in self._candidates(config):
            if self._owners.setdefault(line, owner) == owner:
                return line
        return self._varied.line(config)

    def _candidates(self, config: AnyConfig) -> Iterator[str]:
        for digits in (DIGITS, MORE_DIGITS, None):
            yield self._varied.line(config, digits)
        if SEED not in self._varied.names:
            yield f"{self._varied.line(config)} seed={config.seed}".strip()
            yield f"{self._varied.line(config, None)} seed={config.seed}".strip()


def find_varied(configs: Iterable[AnyConfig]) -> Varied:
    """Find the values in which configurations differ.

    Args:
        configs: the corners of a space, which reach every option and both ends of every range; or those of all trials.
    """
    texts = [{leaf.key: repr(leaf.value) for leaf in config.leaves()} for config in configs]
    seen: dict[LeafKey, set[str]] = {}
    for table in texts:
        for key, text in table.items():
            seen.setdefault(key, set()).add(text)
    found = {key for key, values in seen.items() if len(values) > 1}
    while more := _telling_apart(texts, found):
        found |= more
    order = {section: index for index, section in enumerate(_ORDER)}
    keys = sorted((key for key in seen if key in found), key=lambda key: order.get(key[0], -1))
    return Varied(tuple(keys), _labels({name for _, _, name in seen}))


def value_text(value: Any, digits: int | None = DIGITS) -> str:
    """Return a value as one word: `0.001213`, `[256,128]`, `yes`, `none`.

    Args:
        digits: significant digits of a float; None: the value as JSON.
    """
    if digits is None:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(value_text(item, digits) for item in value)}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key}:{value_text(item, digits)}' for key, item in value.items())}}}"
    text = str(value)
    return text if text.isprintable() and text.split() == [text] else json.dumps(text, ensure_ascii=False)


def _telling_apart(tables: Sequence[Mapping[LeafKey, str]], found: set[LeafKey]) -> set[LeafKey]:
    """Return keys by which two configurations differ that have equal values of `found`; empty if no two do.

    They differ in keys that only one of them has, for instance `early_stopping.patience` and `early_stopping` itself.
    """
    owners: dict[tuple[tuple[LeafKey, str], ...], Mapping[LeafKey, str]] = {}
    for table in tables:
        projection = tuple((key, text) for key, text in table.items() if key in found)
        other = owners.setdefault(projection, table)
        if other != table:
            return {
                next(key for key in one if key not in two)
                for one, two in ((table, other), (other, table))
                if one.keys() - two.keys()
            }
    return set()


def _labels(names: set[str]) -> dict[str, str]:
    """Return the last part of each dotted name where no other name ends in it, else the whole name."""
    ends = [name.rpartition(".")[2] for name in names]
    return {name: end if ends.count(end) == 1 else name for name, end in zip(names, ends, strict=True)}


# The training that the finalists are compared with: the winner's model, and everything else as Keras has it.
UNTUNED = "untuned Keras default"
# The schedule of a configuration that names none: a constant rate, as in Keras.
_WITHOUT_SCHEDULE = TrialConfig().schedule
_DEFAULTS, _NEAREST = "Keras defaults", "nearest to the Keras defaults"


def has_keras_defaults(config: AnyConfig) -> bool:
    """Return whether a configuration is what Keras does with the optimizer's name alone.

    Every knob of the optimizer has its default, and the learning rate is constant.
    """
    if not isinstance(config, TrialConfig) or config.schedule != _WITHOUT_SCHEDULE:
        return False
    entry = config.optimizer.entry
    return entry.keras_defaults and all(
        config.optimizer.knobs()[name] == value for name, value in entry.defaults().items()
    )


def note_of(config: AnyConfig, *, baseline: bool, finalists: bool = False) -> str:
    """Return the note on an untuned trial; empty for a trial that was sampled.

    Args:
        baseline: whether it was enqueued as an optimizer's Keras defaults. A space that does not hold these has the
            nearest that it holds.
        finalists: whether it is a training of the finalists' stage.
    """
    if not baseline:
        return ""
    if finalists:
        return UNTUNED
    return _DEFAULTS if has_keras_defaults(config) else _NEAREST
