"""Attempts to gain power in the room: processes, programs, rights, more than the limits allow."""

import ctypes
import errno
import os
import resource
import signal
import socket
import subprocess
import threading
import time

from tools import LIBC, ROOM, call

NEW_USER = 0x10000000


def fork(facts):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return "a second process"


def execute(facts):
    """`execve` itself, of a file that is not there: only a filter refuses before it looks."""
    result = LIBC.execve(b"/tmp/none", None, None)
    return None if ctypes.get_errno() == errno.EPERM else f"execve answered {result}, not a refusal"


def start_program(facts):
    subprocess.run([facts["python"], "-V"], capture_output=True, check=False)
    return "ran a program"


def refused_calls(facts):
    """Calls that a filter alone refuses with EPERM, by their names in libc."""
    calls = {
        "unshare": (0,), "setns": (-1, 0), "ptrace": (0, 0, 0, 0), "personality": (0xFFFFFFFF,),
        "process_vm_readv": (os.getpid(), 0, 0, 0, 0, 0), "socket": (1, 1, 0), "memfd_create": (b"probe", 0),
        "mount": (0, 0, 0, 0, 0), "umount2": (b"/proc", 0), "chroot": (b"/",), "shmget": (0, 64, 0o600),
        "msgget": (0, 0o600), "fanotify_init": (0, 0), "listen": (ROOM, 1),
    }  # fmt: skip
    passed = [name for name, arguments in calls.items() if not refused(name, arguments)]
    passed += [f"call {number}" for number in facts["calls"] if not refused("syscall", (number, 0, 0, 0, 0, 0))]
    return f"{', '.join(passed)} went through to the kernel" if passed else None


def refused(name, arguments):
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    return getattr(LIBC, name)(*words) < 0 and ctypes.get_errno() == errno.EPERM


def fork_many(facts):
    children = []
    try:
        for _ in range(200):
            pid = os.fork()
            if pid == 0:
                time.sleep(20)
                os._exit(0)
            children.append(pid)
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return f"{len(children)} processes"


def many_threads(facts):
    go_home = threading.Event()
    threading.stack_size(1 << 18)
    threads = [threading.Thread(target=go_home.wait) for _ in range(200)]
    try:
        for thread in threads:
            thread.start()
    except RuntimeError as error:
        raise OSError(str(error)) from error
    finally:
        go_home.set()
    return "200 threads"


def one_thread(facts):
    """Not an attempt to break out: honest code must be able to do this."""
    got = []
    thread = threading.Thread(target=got.append, args=[1])
    thread.start()
    thread.join()
    return None if got else "a thread does not start"


def outlive(facts):
    """A child in a session of its own keeps the room's socket open; outside one looks whether it closes."""
    if os.fork() == 0:
        os.setsid()
        time.sleep(20)
        os._exit(0)


def capabilities(facts):
    data = (ctypes.c_uint32 * 6)()
    call("capget", (ctypes.c_uint32 * 2)(0x20080522, 0), data)
    bound = [number for number in range(41) if LIBC.prctl(23, number, 0, 0, 0) == 1]
    return f"has capabilities {list(data)}, bounded by {bound}" if any(data) or bound else None


def new_privileges(facts):
    return None if LIBC.prctl(39, 0, 0, 0, 0) == 1 else "a program could gain rights"


def mount_something(facts):
    call("mount", b"tmpfs", b"/tmp", b"tmpfs", 0, None)
    return "mounted a file system"


def uncover_proc(facts):
    call("umount2", b"/proc", 2)
    return "took the cover off /proc"


def become_root(facts):
    os.setuid(0)
    return "became user 0"


def nested_user_namespace(facts):
    call("unshare", NEW_USER)
    return "made a user namespace in the room"


def take_memory(facts):
    block = bytearray(facts["memory"] * 2)
    return f"took {len(block) >> 20} MiB"


def large_file(facts):
    with open("/tmp/large", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 65 << 20)
    return "made a file of 65 MiB"


def many_descriptors(facts):
    pairs = [os.pipe() for _ in range(200)]
    return f"{2 * len(pairs)} descriptors"


def raise_limits(facts):
    for which in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE):
        if resource.getrlimit(which)[1] == resource.RLIM_INFINITY:
            return f"limit {which} is not set"
    try:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
    except ValueError as error:
        raise OSError(str(error)) from error
    return "lifted the limit on memory"


def use_processor(facts):
    """Outside one looks whether this ends."""
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    until = time.process_time() + facts["seconds"] + 2
    while time.process_time() < until:
        pass
    return f"used {facts['seconds'] + 2} seconds of processor time"


# one layer alone, with the others switched off


def read_proc(facts):
    """For Landlock alone: /proc is not covered now."""
    with open("/proc/version") as file:
        return f"read {file.read(40)}"


def run_program(facts):
    """For Landlock alone: nothing else forbids to execute now."""
    pid = os.fork()
    if pid == 0:
        try:
            os.execv(facts["python"], [facts["python"], "-V"])
        except OSError as error:
            os._exit(error.errno)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code == errno.EACCES:
        return None
    return f"executing {facts['python']} ended with {code}, expected refusal"


def connect_by_landlock(facts):
    with socket.socket() as line:
        code = line.connect_ex(("127.0.0.1", facts["tcp"]))
    return None if code == errno.EACCES else f"connect: {os.strerror(code)}, expected refusal"


def signal_server(facts):
    """For Landlock alone: the server's process can be seen now."""
    os.kill(1, 0)
    return "could signal the server"
