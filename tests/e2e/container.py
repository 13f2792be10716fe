"""A container without an engine: its own root file system, read-only but for two folders in memory,
in which commands run as a user who may do nothing. It shares the machine's network.

Made of what the kernel gives root: a mount namespace and chroot.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.product import Process

NOBODY = "10001"
PROGRAMS = ("unshare", "mount", "chroot", "setpriv")
# $1: where the root is built; $2 and $3: the folder of writable data, and where commands start.
# Then pairs of what is there and where it appears, up to `--`, and the command.
ENTER = """
set -e
root=$1 data=$2 start=$3
shift 3
mount -t tmpfs -o mode=0755 tmpfs "$root"
for name in bin lib lib64 usr etc; do
    if [ -L "/$name" ]; then cp -P "/$name" "$root/$name"
    elif [ -d "/$name" ]; then mkdir "$root/$name" && mount --rbind "/$name" "$root/$name"; fi
done
for name in proc dev; do mkdir "$root/$name" && mount --rbind "/$name" "$root/$name"; done
while [ "$1" != -- ]; do
    mkdir -p "$root$2" && mount --bind "$1" "$root$2" && mount -o remount,bind,ro "$root$2"
    shift 2
done
shift
mkdir -p "$root/tmp" "$root$data"
for name in /tmp "$data"; do
    mount -t tmpfs -o mode=0700,uid=10001,gid=10001 tmpfs "$root$name"
done
mount -o remount,ro "$root"
exec chroot "$root" setpriv --reuid=10001 --regid=10001 --clear-groups --no-new-privs \
    --bounding-set=-all --inh-caps=-all env -i -C "$start" "$@"
"""


@dataclass(frozen=True)
class Container:
    """`folders`: which folder of this machine appears where. `data`: the one that is writable."""

    folder: Path
    folders: Mapping[Path, str]
    data: str
    start: str
    environment: Mapping[str, str]

    def run(self, command: Sequence[str], *, name: str = "", **more: str) -> Process:
        root = self.folder / f"root-{len(list(self.folder.iterdir()))}"
        root.mkdir()
        pairs = [str(one) for pair in self.folders.items() for one in pair]
        variables = [f"{key}={value}" for key, value in {**self.environment, **more}.items()]
        enter = ["unshare", "--mount", "--propagation=private", "bash", "-c", ENTER, "enter"]
        log = root.with_suffix(".log")
        with log.open("wb") as output:
            popen = subprocess.Popen(
                [*enter, str(root), self.data, self.start, *pairs, "--", *variables, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Process(name=name or command[-1], log=log, popen=popen)


def python_folders(at: str) -> dict[Path, str]:
    """This run's Python, as the environment at `at`."""
    base = Path(sys.base_prefix)
    folders = {Path(sys.prefix).resolve(): at}
    # Debian's own is in /usr, which is there anyway.
    return folders if base == Path("/usr") else {base: str(base), **folders}


def require_root() -> None:
    """Skip, and say why, where this cannot be had."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"needs root, and on PATH: {', '.join(PROGRAMS)}")
    tried = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        capture_output=True,
        check=False,
    )
    if tried.returncode:
        pytest.skip("root may not mount here")
