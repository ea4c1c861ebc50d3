"""Knows where bundled and fetched files lie. Knows nothing of what is in them."""

import hashlib
import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
RESTORE = (
    "In a checkout, `git checkout -- data` brings it back; "
    "else `pip install --force-reinstall --no-deps specdec_course`."
)


def data_path(*parts: str) -> Path:
    """The path of a bundled file or folder, e.g. `data_path("classroom", "target")`.

    In a checkout the data lie in `data/` beside the package, in an installed wheel inside the package.
    Raises ValueError when the file is not there.
    """
    inside = PACKAGE / "data"
    path = (inside if inside.is_dir() else PACKAGE.parent / "data").joinpath(*parts)
    if not path.exists():
        raise ValueError(f"the bundled file {'/'.join(parts)} is missing, expected at {path}. {RESTORE}")
    return path


def cache_path(*parts: str) -> Path:
    """The path of a file or folder that `specdec fetch` keeps for the user; it need not exist.

    SPECDEC_CACHE names the folder; else it is `specdec_course` in XDG_CACHE_HOME or in ~/.cache.
    """
    usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "specdec_course"
    return Path(os.environ.get("SPECDEC_CACHE") or usual).expanduser().joinpath(*parts)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
