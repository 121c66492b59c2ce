"""What a catalogue row is made of: an entry, and the knobs that a study may turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hpsearch.catalogue.distributions import Distribution


@dataclass(frozen=True)
class Knob:
    """One named setting of an entry.

    Attributes:
        name: the Keras argument's name.
        type: a Python type or annotation that a value must have.
        default: what Keras takes when nobody says anything; what a configuration takes that leaves it out.
        doc: one line for people and for editors.
        recommended: what a study samples when it leaves the knob out; None keeps the default.
        source: where the range or the default was taken from.
        gt, ge, lt, le: bounds that a value must respect; each element, where the type is a tuple.
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


@dataclass(frozen=True)
class Entry:
    """One row of a catalogue: everything that hpsearch knows about one choice.

    Attributes:
        name: how a study file selects it.
        summary: one line, the update or formula as the field writes it.
        knobs: what may be set or searched.
        published: where it comes from.
        build: makes the real thing from knob values; imports what is heavy only when called.
        check: says in a sentence what is impossible about a combination of knobs, or None.
        xla: of a model, whether XLA compiles it on a CPU in seconds.
        solver: of an optimizer, whether it takes the loss and its gradient over all examples at points of its own
            choice; then `build` gives its options, and neither batch size nor schedule plays a part.
    """

    name: str
    summary: str
    knobs: tuple[Knob, ...]
    published: str
    build: Callable[..., Any]
    check: Callable[[Mapping[str, Any]], str | None] | None = None
    xla: bool = True
    solver: bool = False

    def recommended(self) -> dict[str, Distribution]:
        """The distributions that a study takes for the knobs it leaves out."""
        return {knob.name: knob.recommended for knob in self.knobs if knob.recommended is not None}

    def defaults(self) -> dict[str, Any]:
        return {knob.name: knob.default for knob in self.knobs}


def catalogue(*entries: Entry) -> dict[str, Entry]:
    """The rows by name, in the order in which they are shown."""
    return {entry.name: entry for entry in entries}
