"""Attempts to reach what is not in the room: files, networks, other processes, the environment."""

import ctypes
import os
import socket
import sys
from pathlib import Path

from tools import LIBC, ROOM, call, make_file, stopped

ENVIRONMENT = {"PATH", "LANG", "HOME", "MPLBACKEND", "HF_HUB_OFFLINE", "OMP_NUM_THREADS", "MKL_NUM_THREADS"}
ENVIRONMENT |= {"OPENBLAS_NUM_THREADS", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE", "PYTHONUTF8"}
# Set by what is loaded in the room itself; the last one by torch's compiler.
LIBRARIES = {"TOKENIZERS_PARALLELISM", "KMP_INIT_AT_FORK", "KMP_DUPLICATE_LIB_OK", "LC_CTYPE"}
LIBRARIES |= {"TORCHINDUCTOR_CACHE_DIR"}


def read_outside(facts):
    open_to_all = [path for path in facts["files"] if not stopped(os.stat, path)]
    return f"saw {', '.join(open_to_all[:5])}" if open_to_all else None


def read_reference(facts):
    """The course's package, wherever it may be installed, is not there."""
    found = []
    for folder in {*sys.path, *facts["packages"]}:
        found += [str(path) for path in Path(folder).glob("specdec_course/**/*") if not stopped(path.stat)]
    return f"saw {found[0]} and {len(found) - 1} more" if found else None


def write_outside(facts):
    paths = ["/", "/room", "/dev", "/usr", "/usr/lib", "/etc", "/packages", "/dev/shm", "/var/tmp", "/run", "/proc"]
    open_to_all = [path for path in [*paths, *sys.path] if not stopped(make_file, f"{path}/specdec-probe")]
    return f"wrote in {', '.join(open_to_all)}" if open_to_all else None


def change_server(facts):
    """The files that the next room starts from."""
    os.chmod("/room/server.py", 0o777)
    with open("/room/server.py", "a"):
        return "opened /room/server.py for writing"


def leave_file(facts):
    """Always succeeds; the next room is asked."""
    for path in ("/tmp", "/dev/shm", "/var/tmp", "/run"):
        stopped(make_file, f"{path}/specdec-left")


def find_file(facts):
    there = [path for path in ("/tmp/specdec-left", "/dev/shm/specdec-left") if not stopped(os.stat, path)]
    return f"saw {there[0]}" if there else None


def fill_tmp(facts):
    written = 0
    try:
        for number in range(64):
            with open(f"/tmp/{number}", "wb") as file:
                for _ in range(8):
                    written += file.write(bytes(1 << 20))
    finally:
        for number in range(64):
            Path(f"/tmp/{number}").unlink(missing_ok=True)
    return f"wrote {written >> 20} MiB into /tmp"


def many_files(facts):
    for number in range(20_000):
        make_file(f"/tmp/{number}")
    return "made 20000 files in /tmp"


def connect_tcp(facts):
    with socket.create_connection(("127.0.0.1", facts["tcp"]), timeout=2):
        return "connected to a server on the machine's loopback"


def route_out(facts):
    """Connecting a datagram socket sends nothing: it only asks for a way to that address (one kept for documents)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.connect(("192.0.2.1", 53))
        return "there is a way to name servers"


def connect_abstract(facts):
    with socket.socket(socket.AF_UNIX) as line:
        line.connect("\0" + facts["abstract"])
    return "connected to an abstract socket outside"


def interfaces(facts):
    names = [name for _, name in socket.if_nameindex() if name != "lo"]
    return f"saw {', '.join(names)}" if names else None


def see_processes(facts):
    if os.getppid():
        return f"sees the process that started it, number {os.getppid()}"
    seen = [pid for pid in {*range(2, 2000), facts["pid"]} if not stopped(os.kill, pid, 0)]
    return f"could signal process {seen[0]}" if seen else None


def see_shared_memory(facts):
    call("shmget", facts["shared"], 64, 0)
    return "found a memory segment that was made outside"


def see_host_name(facts):
    name = os.uname().nodename
    return f"it is {name}" if name == facts["host"] else None


def inherited(facts):
    there = [number for number in range(4096) if not stopped(os.fstat, number)]
    strange = [n for n in there if n != ROOM and os.fstat(n).st_rdev != os.makedev(1, 3)]
    return f"descriptors {strange} are open" if strange else None


def read_environment(facts):
    strange = set(os.environ) - ENVIRONMENT - LIBRARIES
    if facts["secret"] in environment_in_c() or strange:
        return f"saw {', '.join(sorted(strange)) or 'a secret'}"


def environment_in_c() -> str:
    """The environment as C sees it, too."""
    words, here, index = ctypes.POINTER(ctypes.c_char_p).in_dll(LIBC, "environ"), [], 0
    while words[index]:
        here.append(words[index].decode(errors="replace"))
        index += 1
    return "\n".join(here)
