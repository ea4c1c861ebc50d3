"""The fork server: imports torch once, then turns each request into a room, a forked child shut in by `confine`.

Runs inside the box as `python -s -P -B server.py <control descriptor> <plan as JSON>`. Knows the requests of
`grading.isolation.box` and that a module named `runner` has `serve(socket)`. Knows no students and no answers: it
holds nothing that a room must not see, for every room is a copy of it.

A request is a datagram of JSON (layers to leave out) with two descriptors: the room's end of a socket, and a pipe on
which the child reports, before any student's line runs, which layers did not stand. The answer is a pidfd of the room.
"""

import gc
import json
import os
import signal
import socket
import sys


def main() -> None:
    control, plan = socket.socket(fileno=int(sys.argv[1])), json.loads(sys.argv[2])
    sys.path[:] = plan["path"] + [p for p in sys.path if not p.endswith(("site-packages", "dist-packages"))]
    sys.path += plan["packages"]
    import runner

    warm()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    gc.collect()
    gc.freeze()  # the copies share these pages
    control.send(json.dumps({"ready": sorted(sys.modules)}).encode()[:60_000])
    room = rooms(control, own, plan)
    if room is not None:
        runner.serve(room)
        os._exit(0)


def warm() -> None:
    """Imports what cells and functions will use. torch is set up on one thread: others would not survive a fork."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ.pop("PWD", None)  # bubblewrap's
    import numpy  # noqa: F401
    import tokenizers  # noqa: F401
    import torch
    from transformers import DynamicCache, PreTrainedTokenizerFast, Qwen3Config  # noqa: F401

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    torch.softmax(torch.ones(2, 2) @ torch.ones(2, 2), -1)
    for name in ("IPython.core.inputtransformer2", "matplotlib.pyplot"):
        try:
            __import__(name)
        except ImportError:
            continue


def rooms(control: socket.socket, own: int, plan: dict) -> socket.socket | None:
    """Answers requests until the grader is gone (None). In a child, returns the room's socket instead."""
    while True:
        try:
            request, descriptors, _, _ = socket.recv_fds(control, 4096, 2)
        except InterruptedError:
            continue
        if not request:
            return None
        wishes = plan | {"off": sorted({*plan["off"], *json.loads(request)["off"]})}
        try:
            pid = fork(own, wishes)
        except OSError as error:
            answer(control, {"error": str(error)})
            pid = -1
        if pid == 0:
            return shut_in(control, wishes, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        if pid > 0:
            hand_over(control, pid)


def fork(own: int, plan: dict) -> int:
    if "namespaces" in plan["off"]:
        return os.fork()
    from confine import fork_into_pid_namespace

    return fork_into_pid_namespace(own)


def hand_over(control: socket.socket, pid: int) -> None:
    """Sends a pidfd of the room outside, so that the grader can measure and end it."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError as error:  # it is dead already; its report says why
        answer(control, {"error": f"the room ended at once ({error})"})
        return
    answer(control, {"pid": pid}, [pidfd])
    os.close(pidfd)


def answer(control: socket.socket, said: dict, descriptors=()) -> None:
    socket.send_fds(control, [json.dumps(said).encode()], list(descriptors))


def shut_in(control: socket.socket, plan: dict, room: int, report: int) -> socket.socket:
    """In the child: closes everything but the room's socket, puts up the layers, reports, and returns the socket."""
    from confine import confine, keep_only

    control.detach()  # its number will be another's; no object may close that
    room, report = keep_only(room, report)
    failed = confine(plan)
    os.write(report, json.dumps(failed).encode()[:4000])
    os.close(report)
    return socket.socket(fileno=room)


if __name__ == "__main__":
    main()
