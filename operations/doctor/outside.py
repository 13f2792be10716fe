"""The world outside: clients find us, carriers know us, and mail gets out. Nothing is dialled or
sent."""

import json
import secrets
import smtplib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from hmac import compare_digest
from urllib.parse import urlsplit

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.core.mail import get_connection
from django.db.models import Exists, OuterRef, QuerySet

from agents.models import Agent
from calls.carriers import carrier_named
from calls.carriers.base import Carrier, CarrierError, CarrierUncertain
from calls.explanations import REASONS
from calls.models import CarrierCredentials
from core.health import proof_of
from core.probe import Seen, look
from operations.doctor.findings import Finding, failed, first_line, ok, warning
from operations.doctor.side_by_side import ask_all

# Less than the doctor has for each check.
CARRIER_SECONDS = 10.5
MAIL_SECONDS = 5
# Accounts with credentials of their own that are asked about.
MOST_CREDENTIALS = 50
UNREACHABLE = "Check its status page, and this server's network."
# Where a call's page would speak of the call.
REFUSALS = {
    "carrier_down": (
        "no connection can be made",
        "Check that it runs, its address and its certificate.",
    ),
    "carrier_busy": ("it has no capacity", "Look again later."),
}
SMTP = "django.core.mail.backends.smtp.EmailBackend"


# PUBLIC_URL ---------------------------------------------------------------------------------------


def public_url() -> Iterable[Finding]:
    nonce = secrets.token_hex(16)
    seen = look(f"{settings.BASE_URL}/healthz?nonce={nonce}")
    if trouble := _unreachable(seen, nonce=nonce):
        return [trouble]
    return [*_wrong_scheme(json.loads(seen.body))] or [ok(_reached())]


def _reached() -> str:
    if settings.PUBLIC_URL:
        return f"{settings.PUBLIC_URL} leads here."
    return f"None is set: {settings.BASE_URL} answers on this machine alone."


def _unreachable(seen: Seen, *, nonce: str) -> Finding | None:
    url = settings.BASE_URL
    if seen.failure:
        return failed(
            f"{url} cannot be reached from here: {seen.failure.replace('_', ' ')}.",
            mend="Start the web server (make web, or make run), and check PUBLIC_URL, its DNS "
            "record, its certificate and the proxy before it."
            if settings.PUBLIC_URL
            else "Start the server: make run. If it runs, ask with the PORT and settings it has.",
        )
    if 300 <= seen.status < 400:
        return failed(
            f"{url} redirects to {seen.location or 'elsewhere'}, and clients do not follow.",
            mend="Set PUBLIC_URL to the address that it leads to.",
        )
    if not _is_ours(seen, nonce=nonce):
        return failed(
            f"What answers at {url} is not this server (status {seen.status}).",
            mend="Check PUBLIC_URL, where its name points, and where the proxy sends requests. "
            "SECRET_KEY must be the same on every host.",
        )
    return None


def _is_ours(seen: Seen, *, nonce: str) -> bool:
    try:
        answer = json.loads(seen.body)
        return compare_digest(str(answer["proof"]), proof_of(nonce))
    except (ValueError, TypeError, KeyError):
        return False


def _wrong_scheme(answer: Mapping[str, str]) -> Iterator[Finding]:
    ours = urlsplit(settings.BASE_URL).scheme
    if ours == "https" and answer.get("scheme") == "http":
        yield failed(
            "Requests come in over https, and the server takes them for plain http: it refuses "
            "the API, and redirects the admin in circles.",
            mend="Let the proxy send X-Forwarded-Proto, and name its address in TRUSTED_PROXIES.",
        )
    if ours == "http" and settings.REQUIRE_HTTPS:
        yield failed(
            "REQUIRE_HTTPS refuses the API under this address, which is plain http.",
            mend="Let PUBLIC_URL begin with https://, or take REQUIRE_HTTPS away.",
        )
    if not settings.PUBLIC_URL and _real_agents().exists():
        yield warning(
            "None is set, and there are agents with carriers that report to it.",
            mend="Set PUBLIC_URL to where carriers reach this server.",
        )


# Carriers -----------------------------------------------------------------------------------------


def carriers() -> Iterable[Finding]:
    questions = {name: partial(_look_at, *asked) for name, asked in _credentials().items()}
    found = list(_unconfigured())
    for name, outcome in ask_all(questions, seconds=CARRIER_SECONDS).items():
        try:
            found.append(_about(name, outcome.get()))
        except TimeoutError:
            found.append(failed(f"{name}: it did not answer in time.", mend=UNREACHABLE))
    return found or [ok("Only the simulated one is used.")]


def _about(name: str, finding: Finding) -> Finding:
    return replace(finding, text=f"{name}: {finding.text}")


def _look_at(carrier: str, row: CarrierCredentials | None) -> Finding:
    asked = carrier_named(carrier)
    try:
        said = asked.check(row.values if row else asked.default_credentials())
    except InvalidToken:
        return failed(
            "none of ENCRYPTION_KEYS opens the credentials.",
            mend="Put the key back, or fill them in again under Carrier credentials.",
        )
    except CarrierError as error:
        text, mend = REFUSALS.get(error.reason) or _explained(error.reason)
        return failed(f"{text} ({error}).", mend=mend)
    except CarrierUncertain as error:
        return failed(f"it gave no answer that can be used ({error}).", mend=UNREACHABLE)
    return ok(f"{said}." if said else "it cannot be asked without placing a call.")


def _explained(reason: str) -> tuple[str, str]:
    """What happened, and what to do, as a call's page says it."""
    text, _, mend = REASONS.get(reason, "It refused. Look into the carrier's own log.").partition(
        ". "
    )
    return text[0].lower() + text[1:], mend


def _credentials() -> dict[str, tuple[str, CarrierCredentials | None]]:
    """By what they are called: those of the settings, and the newest of accounts' own."""
    shared: dict[str, tuple[str, CarrierCredentials | None]] = {
        f"{name.capitalize()} (settings)": (name, None)
        for name in settings.CARRIERS
        if carrier_named(name).default_credentials()
    }
    rows = CarrierCredentials.objects.filter(carrier__in=settings.CARRIERS)
    own = rows.select_related("account").order_by("-changed_at")[:MOST_CREDENTIALS]
    # With its id, as two accounts may be called the same.
    return shared | {f"{row} (no. {row.pk})": (row.carrier, row) for row in own}


def _unconfigured() -> Iterator[Finding]:
    """Carriers that agents name although nobody has credentials for them."""
    for name, (carrier, required) in _required().items():
        if not required or carrier.default_credentials():
            continue
        has_own = CarrierCredentials.objects.filter(account=OuterRef("account"), carrier=name)
        without = _real_agents().filter(~Exists(has_own), carrier=name)
        accounts = sorted(set(without.values_list("account__name", flat=True)[:MOST_CREDENTIALS]))
        if accounts:
            yield failed(
                f"{name.capitalize()}: agents of {', '.join(accounts[:3])} call over it, and there "
                "are no credentials.",
                mend="Fill them in under Carrier credentials, or in the settings for all accounts.",
            )


def _required() -> dict[str, tuple[Carrier, bool]]:
    named = {name: carrier_named(name) for name in settings.CARRIERS}
    return {
        name: (carrier, any(field.is_required for field in carrier.credential_fields))
        for name, carrier in named.items()
    }


def _real_agents() -> QuerySet[Agent]:
    return Agent.objects.filter(disabled_at=None).exclude(carrier="simulated")


# Mail ---------------------------------------------------------------------------------------------


def mail() -> Iterable[Finding]:
    if settings.EMAIL_BACKEND != SMTP:
        return [ok("No mail server is set: nobody is told by mail.")]
    where = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    try:
        with get_connection(timeout=MAIL_SECONDS):
            return [ok(f"{where} answers, and takes us. Nothing was sent.")]
    except smtplib.SMTPAuthenticationError as error:
        text = f"{where} refuses the username or password (code {error.smtp_code})."
        return [failed(text, mend="Check them, and whether it wants a password for apps.")]
    except (OSError, smtplib.SMTPException) as error:
        code = getattr(error, "smtp_code", None)
        said = f"it answered {code}" if code else first_line(error)
        return [
            failed(
                f"{where} cannot be used: {said}.",
                mend="Check host, port and encryption (TLS or SSL) of the mail settings.",
            )
        ]
