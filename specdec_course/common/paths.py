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
    """The path of a bundled file or folder of data, e.g. `data_path("classroom", "target")`. ValueError without it."""
    return bundled("data", *parts)


def bundled(folder: str, *parts: str) -> Path:
    """The path of a file or folder that comes with the package: in `data` or `notebooks`.

    In a checkout these lie beside the package, in an installed wheel inside it. ValueError when the file is not there.
    """
    inside = PACKAGE / folder
    path = (inside if inside.is_dir() else PACKAGE.parent / folder).joinpath(*parts)
    if not path.exists():
        named = "/".join(parts if folder == "data" else (folder, *parts))
        restore = RESTORE if folder == "data" else RESTORE.replace("-- data", f"-- {folder}")
        raise ValueError(f"the bundled file {named} is missing, expected at {path}. {restore}")
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
