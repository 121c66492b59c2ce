"""What a catalogue consists of: entries, each with the knobs that a study may set or search."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

# A distribution, as a study file writes it: `{"float": [0.001, 1.0], "log": True, "prior": 0.01}`,
# `{"choice": [False, True], "prior": False}`.
Distribution = Mapping[str, Any]
# The type of a knob that names a user's own function, and the default of a knob that must be given.
Reference = Annotated[str, "module:name"]
REQUIRED: Any = ...


@dataclass(frozen=True)
class Knob:
    """One named setting of an entry.

    Attributes:
        name: the name of Keras's argument.
        type: a Python type or annotation that a value must have; Reference: it names a user's own function.
        default: the value of a configuration that leaves the knob out, which is Keras's default where Keras has one.
            REQUIRED: it cannot be left out.
        doc: one line for users and for editors.
        recommended: what a study samples when it leaves the knob out, with its prior: the value to try first for an
            image classifier. None: the default.
        source: the origin of the range or of the default, and of the prior where it is not the default.
        gt, ge, lt, le: bounds of a value; of each element, where the type is a tuple.
        structural: a number that decides what is compiled, since it is used when the object is built or Keras
            calculates with it in Python. Each of its values is compiled separately, as words and switches always are.
        penalty: a number of a model that adds a term to the loss, so that losses with other values of it cannot be
            compared.
    """

    name: str
    type: Any
    default: Any
    doc: str
    recommended: Distribution | None = None
    source: str = ""
    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None
    structural: bool = False
    penalty: bool = False

    def plain(self) -> dict[str, Any]:
        """Return the knob as plain data, for tables and JSON."""
        required = self.default is REQUIRED
        return {
            "name": self.name,
            "type": _type_name(self.type),
            "default": "required" if required else self.default,
            "recommended": self.recommended,
            "bounds": self._bounds(),
            "doc": self.doc,
            "source": self.source,
        }

    def _bounds(self) -> str:
        """Return `> 0, <= 1`; empty if there are none."""
        limits = {">": self.gt, ">=": self.ge, "<": self.lt, "<=": self.le}
        return ", ".join(f"{sign} {limit:g}" for sign, limit in limits.items() if limit is not None)


def _type_name(kind: Any) -> str:
    """Return the name of a knob's type for the authors of study files."""
    if kind is Reference:
        return "module:name"
    arguments = get_args(kind)
    if get_origin(kind) is Literal:
        return " | ".join(map(str, arguments))
    if get_origin(kind) is tuple:
        return f"list of {_type_name(arguments[0])}"
    if get_origin(kind) is dict:
        return "mapping"
    if NoneType in arguments:
        return f"{_type_name(arguments[0])} | null"
    return {bool: "true | false", int: "whole number", float: "number"}[kind]


@dataclass(frozen=True)
class Entry:
    """One choice of the catalogue: how it is built, its knobs, its requirements, and its publication.

    Attributes:
        name: how a study file selects it.
        formula: one line, the update or formula as the field writes it; of a model, its layers.
        knobs: what may be set or searched.
        source: the publication, or the class of Keras.
        build: makes the real object from knob values; imports heavy packages only when called. For a Reference it
            gets the user's function.
        check: returns why a combination of knobs is impossible, in a sentence, or None.
        check_shape: of a model: returns why it cannot take examples of this shape with these knobs, in a sentence, or
            None. A model without it takes every shape.
        xla: of a model: whether XLA compiles it on a CPU in seconds.
        auto_xla: of a model: whether `engine: auto` may take XLA.
        needs_closure: of an optimizer: whether it evaluates the loss and its gradient over all training examples at
            points of its own choice. `build` then returns its options, and batch size and schedule have no effect.
        keras_defaults: of an optimizer: whether its defaults are those of a class of Keras.
        callback: of a schedule: whether `build(**knobs)` returns a Keras callback that sets the rate; otherwise it is
            the formula of the rate.
        stock: of a schedule: returns the class of `keras.optimizers.schedules` that computes it and its arguments, or
            None where no class does.
        direction: of a metric: which values are better.
        of_logits: of a metric: Python code of the same metric over logits.
        bounds: of a metric: its smallest and largest value.
    """

    name: str
    formula: str
    knobs: tuple[Knob, ...]
    source: str
    build: Callable[..., Any]
    check: Callable[[Mapping[str, Any]], str | None] | None = None
    check_shape: Callable[[tuple[int, ...], Mapping[str, Any]], str | None] | None = None
    xla: bool = True
    auto_xla: bool = True
    needs_closure: bool = False
    keras_defaults: bool = True
    callback: bool = False
    stock: Callable[..., tuple[str, dict[str, Any]] | None] | None = None
    direction: Literal["maximize", "minimize"] = "maximize"
    of_logits: str = ""
    bounds: tuple[float, float] | None = None

    def recommended(self) -> dict[str, Distribution]:
        """Return the distributions that a study takes for the knobs it leaves out."""
        return {knob.name: knob.recommended for knob in self.knobs if knob.recommended is not None}

    @property
    def structural(self) -> frozenset[str]:
        """Names of the numbers that decide what is compiled."""
        return frozenset(knob.name for knob in self.knobs if knob.structural)

    def defaults(self) -> dict[str, Any]:
        """Return the defaults of the knobs that have one."""
        return {knob.name: knob.default for knob in self.knobs if knob.default is not REQUIRED}

    def references(self) -> list[str]:
        """Return the knobs that name a user's own function."""
        return [knob.name for knob in self.knobs if knob.type is Reference]

    @property
    def needs(self) -> str:
        """Its requirements in words; empty: none."""
        if self.needs_closure:
            return "full batches: it evaluates loss and gradient over all training examples; no schedule, no dropout"
        return "" if self.xla else "engine graph or fit: on a CPU XLA takes minutes to compile it"

    def plain(self) -> dict[str, Any]:
        """Return the entry as plain data, for tables and JSON."""
        about = {"direction": self.direction, "bounds": self.bounds} if self.of_logits else {"needs": self.needs}
        knobs = [knob.plain() for knob in self.knobs]
        return {"name": self.name, "formula": self.formula, **about, "source": self.source, "knobs": knobs}

    @property
    def complete(self) -> bool:
        """Whether its bare name is enough to select it: every knob has a default."""
        return len(self.defaults()) == len(self.knobs)

    @property
    def offered(self) -> bool:
        """Whether a study that leaves its section out may sample it; models with dropout cannot take a closure."""
        return self.complete and not self.needs_closure


def by_name(*entries: Entry) -> dict[str, Entry]:
    """Return the entries by name, in the order in which they are shown."""
    return {entry.name: entry for entry in entries}
