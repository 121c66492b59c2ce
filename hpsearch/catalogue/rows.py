"""What a catalogue row is made of: an entry, and the knobs that a study may turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

# A distribution, as a study file writes it: `{"float": [0.001, 1.0], "log": True}`, `{"choice": [False, True]}`.
Distribution = Mapping[str, Any]
# The type of a knob that names a person's own code, and what stands in place of a default that nobody can know.
Reference = Annotated[str, "module:name"]
REQUIRED: Any = ...


@dataclass(frozen=True)
class Knob:
    """One named setting of an entry.

    Attributes:
        name: the Keras argument's name.
        type: a Python type or annotation that a value must have; Reference: of a person's own code.
        default: what Keras takes when nobody says anything; what a configuration takes that leaves it out.
            REQUIRED: it cannot be left out, and a study has the row only where it names it.
        doc: one line for people and for editors.
        recommended: what a study samples when it leaves the knob out; None keeps the default.
        source: where the range or the default was taken from.
        gt, ge, lt, le: bounds that a value must respect; each element, where the type is a tuple.
        structural: of a number, that it decides what is compiled (it is used when a thing is built, or Keras
            calculates with it in Python): each of its values is compiled anew. Words and switches always are so.
        penalty: of a model's number, that it adds a term to the loss, so that losses with other values of it cannot be
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


@dataclass(frozen=True)
class Entry:
    """One row of a catalogue: everything that hpsearch knows about one choice.

    Attributes:
        name: how a study file selects it.
        summary: one line, the update or formula as the field writes it.
        knobs: what may be set or searched.
        published: where it comes from.
        build: makes the real thing from knob values; imports what is heavy only when called. In place of a
            Reference it gets what that names.
        check: says in a sentence what is impossible about a combination of knobs, or None.
        check_shape: of a model; returns why it cannot take examples of this shape with these knobs,
            in a sentence, or None. A model without it takes every shape.
        xla: of a model, whether XLA compiles it on a CPU in seconds.
        solver: of an optimizer, whether it takes the loss and its gradient over all examples at points of its own
            choice; then `build` gives its options, and neither batch size nor schedule plays a part.
        auto_xla: of a model, whether `engine: auto` may take XLA; otherwise only a person who names it.
        callback: of a schedule, whether `build(**knobs)` makes a Keras callback that sets the rate, instead of
            being the rate's formula.
        direction: of a metric, which way it is better.
        of_logits: of a metric, the text that makes it over logits in place of probabilities, under its name.
        keras: of an optimizer, whether it is a class of Keras, so that its defaults are those of Keras.
        stock: of a schedule, the class of Keras that computes it (`stock_schedules`); None: there is none.
        bounds: of a metric, its smallest and largest value; None: it has none.
    """

    name: str
    summary: str
    knobs: tuple[Knob, ...]
    published: str
    build: Callable[..., Any]
    check: Callable[[Mapping[str, Any]], str | None] | None = None
    check_shape: Callable[[tuple[int, ...], Mapping[str, Any]], str | None] | None = None
    xla: bool = True
    solver: bool = False
    auto_xla: bool = True
    callback: bool = False
    keras: bool = True
    direction: Literal["maximize", "minimize"] = "maximize"
    of_logits: str = ""
    stock: Callable[..., tuple[str, dict[str, Any]] | None] | None = None
    bounds: tuple[float, float] | None = None

    def recommended(self) -> dict[str, Distribution]:
        """The distributions that a study takes for the knobs it leaves out."""
        return {knob.name: knob.recommended for knob in self.knobs if knob.recommended is not None}

    @property
    def structural(self) -> frozenset[str]:
        """Names of the numbers that decide what is compiled."""
        return frozenset(knob.name for knob in self.knobs if knob.structural)

    def defaults(self) -> dict[str, Any]:
        """The defaults of the knobs that have one."""
        return {knob.name: knob.default for knob in self.knobs if knob.default is not REQUIRED}

    def references(self) -> list[str]:
        """The knobs that name a person's own code."""
        return [knob.name for knob in self.knobs if knob.type is Reference]

    @property
    def complete(self) -> bool:
        """Whether its bare name says enough: every knob has a default."""
        return len(self.defaults()) == len(self.knobs)

    @property
    def offered(self) -> bool:
        """Whether a study that leaves its section out may take it; a solver turns down some models, so it is named."""
        return self.complete and not self.solver


def catalogue(*entries: Entry) -> dict[str, Entry]:
    """The rows by name, in the order in which they are shown."""
    return {entry.name: entry for entry in entries}
