"""Shuts the calling process into a room: namespaces, mounts, limits, rights, Landlock, seccomp, one after the other.

Knows Linux. Knows nothing of students, graders or what will run in the room; imports only the standard library, because
it is carried into the box. Everything here happens in a freshly forked child, before any student's line runs.
"""

import ctypes
import os
import resource
import signal
from contextlib import suppress

from confine_landlock import restrict_files
from confine_seccomp import filter_calls

LIBC = ctypes.CDLL(None, use_errno=True)
NEW_MOUNT, NEW_CGROUP, NEW_UTS, NEW_IPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
NEW_USER, NEW_PID, NEW_NET = 0x10000000, 0x20000000, 0x40000000
READ_ONLY, NO_SUID, NO_DEVICES, NO_EXEC, BIND, RECURSIVE, PRIVATE = 1, 2, 4, 8, 4096, 16384, 1 << 18
NO_NEW_PRIVILEGES, DROP_BOUND, PARENT_DEATH = 38, 24, 1
INSIDE = 1000  # the room's user and group, whoever the grader is
TMP_BYTES, FILE_BYTES, DESCRIPTORS, THREADS = 64 << 20, 64 << 20, 64, 64


def must(result, what: str):
    """The result of a C call; an OSError that says what was tried if it failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    names = (source.encode(), target.encode(), kind.encode() if kind else None)
    must(LIBC.mount(*names, ctypes.c_ulong(flags), options.encode()), f"mount {target}")


def fork_into_pid_namespace(own: int) -> int:
    """`os.fork`, but the child is number 1 of a new pid namespace, so that all in it die with it.

    `own` is a descriptor of the caller's pid namespace: later children of the caller are to be born there again.
    """
    must(LIBC.unshare(NEW_PID), "a new pid namespace")
    try:
        pid = os.fork()
    except BaseException:
        must(LIBC.setns(own, NEW_PID), "back to the own pid namespace")
        raise
    if pid:
        must(LIBC.setns(own, NEW_PID), "back to the own pid namespace")
    return pid


def keep_only(room: int, report: int) -> tuple[int, int]:
    """Moves two descriptors to 3 and 4, closes all others, and points 0, 1 and 2 to /dev/null."""
    high = os.dup2(room, 1000), os.dup2(report, 1001)
    null = os.open("/dev/null", os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    moved = os.dup2(high[0], 3, inheritable=False), os.dup2(high[1], 4, inheritable=False)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 4:
            with suppress(OSError):  # the one that was listing the folder
                os.close(int(name))
    return moved


def new_namespaces(plan: dict) -> None:
    """Own user, mount, ipc, uts, cgroup and (unless switched off) network namespaces; no further user namespaces."""
    user, group = os.geteuid(), os.getegid()
    network = 0 if "network" in plan["off"] else NEW_NET
    must(LIBC.unshare(NEW_USER | NEW_MOUNT | NEW_IPC | NEW_UTS | NEW_CGROUP | network), "new namespaces")
    for name, text in (
        ("self/setgroups", "deny"),
        ("self/uid_map", f"{INSIDE} {user} 1"),
        ("self/gid_map", f"{INSIDE} {group} 1"),
        ("sys/user/max_user_namespaces", "0"),
    ):
        with open(f"/proc/{name}", "w") as file:
            file.write(text)


def private_mounts(plan: dict) -> None:
    """A small /tmp of the room's own, and an empty /proc: it would name mounts, kernel settings and processes."""
    if "namespaces" in plan["off"]:
        return  # they would be the server's mounts
    tight = NO_SUID | NO_DEVICES | NO_EXEC
    mount("tmpfs", "/tmp", "tmpfs", tight, f"size={TMP_BYTES},nr_inodes=4096,mode=0700")
    mount("tmpfs", "/proc", "tmpfs", tight | READ_ONLY, "size=4k,mode=0555")
    os.chdir("/tmp")


def limit_resources(plan: dict) -> None:
    """What is there to be used up has an end. The processor's is a backstop: the grader keeps time itself."""
    with open("/proc/self/statm") as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    limits = {
        resource.RLIMIT_CPU: plan["seconds"],
        resource.RLIMIT_AS: mapped + plan["memory"],
        resource.RLIMIT_FSIZE: FILE_BYTES,
        resource.RLIMIT_NOFILE: DESCRIPTORS,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_SIGPENDING: 256,
    }
    if "namespaces" not in plan["off"]:  # elsewhere it would count everything that this user runs
        limits[resource.RLIMIT_NPROC] = THREADS
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY and hard < limits[resource.RLIMIT_AS]:  # honest code would fail for want of it
        raise OSError(f"the grader's own memory is limited to {hard >> 20} MB of addresses, and a room needs "
                      f"{limits[resource.RLIMIT_AS] >> 20}: run `ulimit -v unlimited` first")
    for which, most in limits.items():
        _, hard = resource.getrlimit(which)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (most, most))


def drop_rights(plan: dict) -> None:
    """No capability is left, and no program could give one back."""
    for capability in range(64):
        LIBC.prctl(DROP_BOUND, capability, 0, 0, 0)  # fails beyond the last one that the kernel knows
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    must(LIBC.capset(header, (ctypes.c_uint32 * 6)()), "drop capabilities")


LAYERS = {  # in this order: each needs what the ones before it still allow
    "namespaces": new_namespaces,
    "limits": limit_resources,
    "mounts": private_mounts,
    "rights": drop_rights,
    "landlock": restrict_files,
    "seccomp": filter_calls,
}


def confine(plan: dict) -> dict[str, str]:
    """Puts up every layer that `plan["off"]` does not name. Returns {layer: why it does not stand} where one failed.

    `plan` holds `off` (layers left out), `seconds` (of processor time) and `memory` (bytes beyond what is mapped now).
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    LIBC.prctl(PARENT_DEATH, signal.SIGKILL, 0, 0, 0)
    must(LIBC.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0), "no new privileges")
    failed = {}
    for name, put_up in LAYERS.items():
        if name in plan["off"]:
            continue
        try:
            put_up(plan)
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"
    return failed
