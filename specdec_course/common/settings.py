"""What the course's pyproject.toml says under [tool.specdec]. Knows the file, not what the settings mean."""

from __future__ import annotations

import tomllib
from pathlib import Path


def setting(root: Path, name: str, otherwise):
    """A setting of the course at `root`; `otherwise` where it says nothing. ValueError for a value of another type."""
    path = Path(root) / "pyproject.toml"
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    value = said.get("tool", {}).get("specdec", {}).get(name, otherwise)
    if type(value) is not type(otherwise):
        raise ValueError(f"{name} of [tool.specdec] in {path} is {value!r}; expected for example {otherwise!r}")
    return value
