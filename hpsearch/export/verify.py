"""An exported file held against its study: rebuilt, compared, trained, and what that reached against the figure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hpsearch.errors import HpsearchError
from hpsearch.export.again import Place
from hpsearch.export.chosen import Chosen
from hpsearch.export.figure import Figure
from hpsearch.export.formats import Format


@dataclass(frozen=True)
class Verification:
    """What became of a file.

    Attributes:
        figure: the study's.
        own: what the trial itself reached, whose seed the file has.
        differences: where the file rebuilds to something else; then nothing was trained.
        reached: what the training reached; None: nothing.
    """

    figure: Figure
    own: float | None
    differences: tuple[str, ...]
    reached: float | None

    @property
    def agrees(self) -> bool:
        return not self.differences and self.reached is not None and (self.identical or self._near(self.reached))

    def _near(self, reached: float) -> bool:
        # The best of many trials is better than the mean of its seeds, and its own seed brings that back.
        again = self.own is not None and abs(reached - self.own) <= (self.figure.tolerance or 0.0)
        return again or self.figure.agrees(reached)

    @property
    def identical(self) -> bool:
        """Whether it is the study's value. Less than one example in a million: Keras counts in float32."""
        values = [value for value in (self.figure.value, self.own) if value is not None]
        return self.reached is not None and any(abs(self.reached - value) < 1e-6 for value in values)

    @property
    def sentence(self) -> str:
        """`val_accuracy 0.9030, identical to the study's`, or what is otherwise."""
        figure, reached = self.figure, self.reached
        if self.differences:
            return "it rebuilds to something else, so it was not trained"
        if reached is None:
            return f"it does not say which {figure.metric} it reached"
        if self.identical:
            about = f" ({figure.basis})" if figure.tolerance is None else ""
            return f"{figure.metric} {reached:.4f}, identical to the study's{about}"
        within = "within" if self.agrees else "outside of"
        return f"{figure.metric} {reached:.4f}, {within} the study's {figure.shown}"


def verify(file: Path, form: Format, chosen: Chosen, place: Place) -> Verification:
    """Rebuild a trial from a file, train it and compare; a file that says something else is not trained.

    Raises:
        HpsearchError: the file cannot be read or trained, or the trial did not run to its end.
    """
    figure = form.figure(chosen, place)
    if figure is None:
        raise HpsearchError(f"{chosen.name} did not run to its end: there is no figure that it could be held against")
    differences = tuple(form.differences(file, chosen, place))
    reached = None if differences else form.reached(file, chosen, place)
    return Verification(figure, chosen.own_value(figure.metric), differences, reached)
