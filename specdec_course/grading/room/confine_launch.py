"""Run by root, outside the box: gives up root, then becomes bubblewrap.

As root, the box would run with root's user id: no limit on processes would bind it, and only the mounts would keep it
from root's files. So the trees that the box shows are first mounted in a private folder (they may lie in a home that
only root can enter), then the process becomes `nobody`. Knows nothing else. Argument: JSON with `binds`
({path: source}), `user` and `command`.
"""

import json
import os
import sys


def main() -> None:
    wishes = json.loads(sys.argv[1])
    from confine import LIBC, NEW_MOUNT, PRIVATE, RECURSIVE, must

    must(LIBC.unshare(NEW_MOUNT), "a private mount namespace (root without CAP_SYS_ADMIN cannot have one)")
    must(LIBC.mount(b"none", b"/", None, RECURSIVE | PRIVATE, None), "private mounts")
    stage(wishes["binds"], wishes["stage"])
    os.setgroups([])
    os.setresgid(*[wishes["user"]] * 3)
    os.setresuid(*[wishes["user"]] * 3)
    os.chdir("/")
    os.execv(wishes["command"][0], wishes["command"])


def stage(binds: dict[str, str], folder: str) -> None:
    """Mounts each source at folder/path, in a file system of memory that only this process and its children see."""
    from confine import BIND, RECURSIVE, mount

    sources = {path: os.open(source, os.O_PATH | os.O_CLOEXEC) for path, source in binds.items()}
    mount("tmpfs", folder, "tmpfs", 0, "mode=0755,size=1m")
    for path, descriptor in sources.items():
        target = f"{folder}/{path}"
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            os.makedirs(target)
        else:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
        mount(f"/proc/self/fd/{descriptor}", target, None, BIND | RECURSIVE)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    main()
