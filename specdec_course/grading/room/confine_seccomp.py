"""A seccomp filter: the system calls that nobody needs to solve an exercise fail with "not permitted".

Knows the numbers of x86_64 and aarch64; on anything else it says that it cannot stand. The filter refuses and does not
kill: `subprocess.run` in a student's cell is then an ordinary error. It is written in the classic BPF that the kernel
takes, and needs no library.
"""

import ctypes
import os
import struct

# name: (x86_64, aarch64); None where the architecture has no such call
DENIED = {
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201), "accept": (43, 202),
    "accept4": (288, 242), "unshare": (272, 97), "setns": (308, 268), "personality": (135, 92),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "memfd_create": (319, 279),
    "shmget": (29, 194), "shmctl": (31, 195), "shmat": (30, 196), "shmdt": (67, 197),
    "semget": (64, 190), "semctl": (66, 191), "semop": (65, 193), "semtimedop": (220, 192),
    "msgget": (68, 186), "msgctl": (71, 187), "msgsnd": (69, 189), "msgrcv": (70, 188),
    "mq_open": (240, 180), "mq_unlink": (241, 181), "mq_timedsend": (242, 182), "mq_timedreceive": (243, 183),
    "mq_notify": (244, 184), "mq_getsetattr": (245, 185), "syslog": (103, 116), "vhangup": (153, 58),
    "uselib": (134, None), "ustat": (136, None), "modify_ldt": (154, None), "_sysctl": (156, None),
    "acct": (163, 89), "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266),
    "sethostname": (170, 161), "setdomainname": (171, 162), "iopl": (172, None), "ioperm": (173, None),
    "create_module": (174, None), "init_module": (175, 105), "delete_module": (176, 106), "finit_module": (313, 273),
    "quotactl": (179, 60), "nfsservctl": (180, 42), "lookup_dcookie": (212, 18), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "migrate_pages": (256, 238), "move_pages": (279, 239), "vmsplice": (278, 75),
    "fanotify_init": (300, 262), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "inotify_init": (253, None), "inotify_init1": (294, 26), "flock": (73, 32), "sync": (162, 81), "syncfs": (306, 267),
    # which pages of a file are in memory: what one room reads or drops there, another could tell
    "fadvise64": (221, 223), "readahead": (187, 213), "mincore": (27, 232), "preadv2": (327, 286),
}  # fmt: skip
# From 424 on the numbers are the same everywhere: io_uring, the new mount calls, pidfds, secret memory, cachestat.
DENIED_EVERYWHERE = (425, 426, 427, 428, 429, 430, 431, 432, 433, 434, 438, 440, 442, 443, 447, 448, 451, 457, 458)
CLONE3, LAST_KNOWN = 435, 466  # a newer call may be anything: it is answered as by an older kernel
MACHINES = {"x86_64": (0, 0xC000003E, 56, 53), "aarch64": (1, 0xC00000B7, 220, 199)}  # column, arch, clone, socketpair
NOT_PERMITTED, NOT_THERE = 0x00050000 | 1, 0x00050000 | 38
ALLOW = 0x7FFF0000
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in what the filter sees
CLONE_THREAD, AF_UNIX = 0x00010000, 1


def program(machine: str) -> bytes:
    """The filter for one architecture."""
    column, architecture, clone, socketpair = MACHINES[machine]
    lines = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, architecture), (RETURN, 0, 0, NOT_PERMITTED)]
    lines += [(LOAD, 0, 0, NUMBER), *refuse(AT_LEAST, LAST_KNOWN + 1, NOT_THERE), *refuse(EQUAL, CLONE3, NOT_THERE)]
    for number in (*(numbers[column] for numbers in DENIED.values()), *DENIED_EVERYWHERE):
        if number is not None:
            lines += refuse(EQUAL, number, NOT_PERMITTED)
    lines += [(EQUAL, 0, 4, clone), (LOAD, 0, 0, FIRST_ARGUMENT), (ANY_BIT, 1, 0, CLONE_THREAD)]  # threads only
    lines += [(RETURN, 0, 0, NOT_PERMITTED), (RETURN, 0, 0, ALLOW)]
    lines += [(EQUAL, 0, 3, socketpair), (LOAD, 0, 0, FIRST_ARGUMENT), (EQUAL, 1, 0, AF_UNIX)]  # asyncio needs a pair
    lines += [(RETURN, 0, 0, NOT_PERMITTED), (RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def refuse(test: int, number: int, answer: int) -> list[tuple]:
    return [(test, 0, 1, number), (RETURN, 0, 0, answer)]


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("lines", ctypes.c_char_p)]


def filter_calls(plan: dict) -> None:
    machine = os.uname().machine
    if machine not in MACHINES:
        raise OSError(f"no seccomp filter is written for {machine}; expected one of {', '.join(MACHINES)}")
    code = program(machine)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(22, 2, ctypes.byref(Program(len(code) // 8, code)), 0, 0) < 0:
        raise OSError(ctypes.get_errno(), f"seccomp: {os.strerror(ctypes.get_errno())}")
