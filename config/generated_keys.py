"""Keys for an install that stays on one machine: made once, kept in a file only its owner reads."""

import contextlib
import os
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet


def generated_key(folder: Path, name: str) -> str:
    """The key in `folder/name`, made at the first call; several processes may make it at once."""
    path = folder / name
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _publish_once(path, Fernet.generate_key())
    return path.read_text().strip()


def _publish_once(path: Path, content: bytes) -> None:
    # A link appears whole or not at all, and never over one that another process made first.
    handle, draft = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.unlink(draft)
