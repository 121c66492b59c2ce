"""A study read back from the text that was kept when it was run."""

from __future__ import annotations

from hpsearch.config.study import StudySpec, checked
from hpsearch.config.yaml_text import Document, load_value


def stored_study(text: str, name: str) -> StudySpec:
    """The study of a text that was checked when it was run; what it names on this machine may be gone.

    Raises:
        StudyFileError: another version of hpsearch took what this one does not.
    """
    source = f"the file of study '{name}'"
    return checked(Document(source, load_value(text, source)), name)
