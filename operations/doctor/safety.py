"""What strangers could make use of: settings that are too open, and files that others can read."""

import ipaddress
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.core import checks
from django.db import connection

from operations.doctor.findings import Finding, failed, ok, warning

KEY_FILES = ("secret_key", "encryption_key")
OTHERS = stat.S_IRWXG | stat.S_IRWXO


# Settings -----------------------------------------------------------------------------------------


def risky_settings() -> Iterable[Finding]:
    troubles = [*_open_to_strangers(), *_too_trusting()]
    # On one's own machine there is no https to insist on.
    troubles += _checked_by_django() if _is_public() else []
    return troubles or [ok("Nothing is too open.")]


def _open_to_strangers() -> Iterator[Finding]:
    if settings.DEBUG:
        says = failed if _is_public() else warning
        yield says(
            "DEBUG is on: errors show code and settings to whoever causes them.",
            mend="Take DEBUG away.",
        )
    if _is_public() and not settings.IS_HTTPS:
        yield warning(
            "PUBLIC_URL is plain http: API keys and passwords can be read on the way.",
            mend="Put a proxy with a certificate before the server, and https:// into PUBLIC_URL.",
        )
    if settings.IS_HTTPS and not settings.REQUIRE_HTTPS:
        yield warning(
            "REQUIRE_HTTPS is off although PUBLIC_URL is https: a client that forgets the s sends "
            "its key in clear.",
            mend="Take REQUIRE_HTTPS away; it follows PUBLIC_URL.",
        )


def _too_trusting() -> Iterator[Finding]:
    if any(network.prefixlen == 0 for network in settings.TRUSTED_PROXIES):
        yield failed(
            "TRUSTED_PROXIES believes everybody, so clients choose the address that limits count.",
            mend="Name the addresses of your own proxies only.",
        )
    if any(_is_everything(target) for target in settings.WEBHOOK_ALLOWED_TARGETS):
        yield failed(
            "WEBHOOK_ALLOWED_TARGETS allows every address, so whoever has a key reaches your "
            "network through this server.",
            mend="Name the receivers on your own network only.",
        )


def _is_everything(target: str) -> bool:
    try:
        return ipaddress.ip_network(target, strict=False).prefixlen == 0
    except ValueError:
        return False


def _checked_by_django() -> Iterator[Finding]:
    """What `manage.py check --deploy` says."""
    for message in checks.run_checks(include_deployment_checks=True):
        if message.level < checks.WARNING or message.is_silenced():
            continue
        says = failed if message.level >= checks.ERROR else warning
        text = " ".join(str(message.msg).split())
        yield says(f"{message.id}: {text}", mend=message.hint or "See manage.py check --deploy.")


def _is_public() -> bool:
    host = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def users() -> Iterable[Finding]:
    """Apart from the settings, which can be looked at when the database cannot."""
    if not _is_public():
        return [ok("Strangers do not reach their login.")]
    everybody = User.objects.filter(is_active=True, is_staff=True)
    alone, number = everybody.filter(second_factor=None).count(), everybody.count()
    if alone and not settings.REQUIRE_TWO_FACTOR:
        return [
            warning(
                f"{alone} of {number} get into the admin by password alone.",
                mend="Set REQUIRE_TWO_FACTOR=true, or ask them to set up two-factor login.",
            )
        ]
    return [ok("Nobody gets into the admin by password alone.")]


# Files --------------------------------------------------------------------------------------------


def files() -> Iterable[Finding]:
    folder = settings.VAR_DIR
    if not folder.exists():
        return [ok(f"There are none in {folder}.")]
    return [*_readable_files(folder)] or [ok(f"Keys and rows in {folder} are this user's alone.")]


def _readable_files(folder: Path) -> Iterator[Finding]:
    for name in KEY_FILES:
        path = folder / name
        if path.exists() and (mode := stat.S_IMODE(path.stat().st_mode)) & OTHERS:
            yield failed(
                f"Other users of this machine may get at {path} (mode {mode:o}).",
                mend=f"chmod 600 {path}. If strangers have logins here, make new keys too.",
            )
    database = Path(str(connection.settings_dict["NAME"]))
    if settings.IS_SQLITE and database.exists() and _is_open_to_others(database):
        yield warning(
            f"Other users of this machine can read {database}, where all rows are.",
            mend=f"chmod 700 {database.parent}",
        )


def _is_open_to_others(path: Path) -> bool:
    """Whether they may read it, and reach it through its folder."""
    folder_lets_in = path.parent.stat().st_mode & (stat.S_IXGRP | stat.S_IXOTH)
    return bool(folder_lets_in and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
