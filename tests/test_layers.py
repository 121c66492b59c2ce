"""Who may import whom: read from the imports themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "hpsearch"

# From left to right; a layer imports only what stands to its left (and itself).
LAYERS = (
    "errors",
    "catalogue",
    "config",
    "data",
    "training",
    "executors",
    "search",
    "analysis",
    "report",
    "tracking",
    "export",
    "display",
    "api",
    "cli",
)

# One owner for each third-party system: the layers (or modules) that may import it.
OWNERS = {
    "optuna": {"search"},
    "sqlalchemy": {"search", "tracking"},
    "mlflow": {"tracking"},
    "ray": {"executors.ray"},
    "plotly": {"report"},
    "jinja2": {"report", "export.script"},
    "pandas": {"api"},
    "typer": {"cli"},
    "click": {"cli"},
    "rich": {"cli", "display"},
    "tensorflow": {"training", "executors.worker"},
    "keras": {"training", "catalogue", "export.keras_objects", "export.script"},
    "sklearn": {"data", "analysis.confusion", "search.forest"},
    "scipy": {"search.independent", "search.forest", "training.lbfgs", "analysis.statistics", "analysis.expected_best"},
    "pydantic": {"config"},
    "pydantic_core": {"config"},
    "ruamel": {"config"},
    "psutil": {"executors", "tracking"},
    "filelock": {"data", "search"},
    "platformdirs": {"data"},
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """`search.storage`; the package's own `__init__` is the empty name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            yield node.module or ""


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_go_leftwards_and_each_system_has_its_owner(path):
    module = name_of(path)
    layer = module.partition(".")[0]
    if layer in ("", "__main__"):
        return
    assert layer in LAYERS, f"hpsearch.{module} is in no known layer; add it to LAYERS in its place"
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top == "hpsearch":
            imported = rest.partition(".")[0]
            assert imported, f"hpsearch.{module} imports the whole package; name the module it needs"
            assert LAYERS.index(imported) <= LAYERS.index(layer), (
                f"hpsearch.{module} imports hpsearch.{rest}: '{layer}' stands left of '{imported}'"
            )
        elif top in OWNERS:
            assert OWNERS[top] & {layer, module}, (
                f"hpsearch.{module} imports {top}, which only {sorted(OWNERS[top])} may"
            )
