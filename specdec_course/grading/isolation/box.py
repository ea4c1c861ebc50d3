"""The box in which students' code runs: `House` starts it, `House.open` gives rooms in it.

Knows bubblewrap, what must be visible inside and what must not, and how a room is measured and ended from outside. Does
not know students, exercises or what is said over a room's socket. Inside works `room/server.py`.

bubblewrap ends the box when the thread that started it ends (--die-with-parent): open and use a house in one thread.
"""

import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from select import poll
from subprocess import DEVNULL, Popen

from .bubblewrap import carried, command, environment, in_memory, packages, server

LEVELS = ("full", "partial", "none")
NO_BOX = ("namespaces", "network", "mounts", "rights", "landlock", "seccomp")  # what level "none" goes without
START, OPEN, END = 180, 20, 10  # seconds before the box counts as broken
CURE = "Run `specdec doctor --grading` to see what is missing; `--trust-students` grades without a box."


class BoxError(OSError):
    """The box, or a room in it, could not be had."""


class House:
    """A box with torch loaded once, which opens rooms: `with House(files) as house, house.open() as room: ...`

    `room_files`: what lies in /room, a folder or {path: bytes}; its runner.py has `serve(socket)`. `seconds`: processor
    time after which a room is ended, whatever it does. `memory`: bytes that a room may take beyond what is loaded.
    `level`: "full" refuses to open a room if a layer does not stand, "partial" does not, "none" is no box at all.
    """

    def __init__(self, room_files, seconds: float = 600, memory: int = 2 << 30, level: str = "full", *, _off=()):
        if level not in LEVELS:
            raise ValueError(f"level is {level!r}, expected one of {', '.join(LEVELS)}")
        self.level, self.files = level, carried(room_files)
        if "runner.py" not in self.files:
            raise ValueError(f"no runner.py among {room_files}: give what belongs in the room, a folder or its files")
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
                except BoxError:
                    raise
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
        except (OSError, EOFError, ValueError) as error:
            theirs.close()
            self._stop()
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines()[-1:] or [str(error)]
            raise BoxError(f"the box could not be started: {said[0]}. {CURE}") from error
        finally:
            errors.close()
        self._control.settimeout(OPEN)

    def _launch(self, control: int, errors) -> Popen:
        how = {"stdin": DEVNULL, "stdout": DEVNULL, "stderr": errors, "start_new_session": True}
        if self.level == "none":
            self._folder = tempfile.TemporaryDirectory(prefix="specdec-room-")
            write_all(self._folder.name, self.files)
            plan = self._plan | {"packages": packages(), "off": [*NO_BOX, *self._plan["off"]]}
            line = [sys.executable, *server(self._folder.name, control, plan)]
            return Popen(line, pass_fds=[control], env=environment(), cwd=self._folder.name, **how)
        files = {name: in_memory(content) for name, content in self.files.items()}
        try:
            line = command(files, control, self._plan)
            return Popen(line, pass_fds=[control, *files.values()], env={"PATH": os.defpath}, cwd="/", **how)
        finally:
            for descriptor in files.values():
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
            room = Room(ours, descriptors[0], group=self.level == "none")
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
            reasons = "; ".join(f"{name}: {why}" for name, why in room.failed.items())
            raise BoxError(f"the room is not shut ({reasons}). {CURE}")


class Room:
    """One room, seen from outside: its socket, what it has used, and its end."""

    def __init__(self, connection: socket.socket, pidfd: int, group: bool = False):
        self.socket, self.failed = connection, {}
        self._pidfd, self._group, self._cpu, self._peak = pidfd, group, 0.0, 0

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

    def alive(self, wait: float = 0) -> bool:
        """Whether it still runs. A process that ends closes its socket some milliseconds earlier: `wait` for it."""
        return self._pidfd >= 0 and not ended(self._pidfd, wait)

    def close(self) -> None:
        """Ends everything in the room and waits until it is gone. May be called twice."""
        if self._pidfd < 0:
            return
        self.cpu_seconds(), self.peak_bytes()
        self.socket.close()
        pid = self.pid
        try:
            if self._group and pid > 0:  # no box: what it started is reached through its process group alone
                os.killpg(pid, signal.SIGKILL)
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


def write_all(folder: str, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
