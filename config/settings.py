"""Settings: from the environment only, strictly parsed. docs/settings.md explains each."""

import ipaddress
import os
import re
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from config.connections import postgres_options
from config.environment import (
    boolean,
    decimal,
    env,
    integer,
    is_loopback,
    is_mail_address,
    is_target,
    is_url,
    items,
    kept_for,
    optional_integer,
    text,
)
from config.generated_keys import generated_key
from config.logs import logging_config
from config.navigation import UNFOLD as UNFOLD
from core.version import VERSION
from webhooks.signing import is_secret

BASE_DIR = Path(__file__).resolve().parent.parent


# Where we are -------------------------------------------------------------------------------------

DEBUG = boolean("DEBUG", default=False)
HOST = text("HOST", "127.0.0.1")
PORT = integer("PORT", 8000, least=1, most=65535)
PUBLIC_URL = text("PUBLIC_URL").rstrip("/")
VAR_DIR = Path(text("VAR_DIR") or BASE_DIR / "var")

ORIGIN = re.compile(r"https?://([\w.-]+|\[[0-9a-fA-F:]+\])(:\d+)?")
if PUBLIC_URL and not (
    ORIGIN.fullmatch(PUBLIC_URL) and is_url(PUBLIC_URL, schemes=("http", "https"))
):
    raise ImproperlyConfigured(
        "PUBLIC_URL must look like https://calls.example.org: a scheme and a host, without a path"
    )
_public = urlsplit(PUBLIC_URL)
if not PUBLIC_URL and not is_loopback(HOST):
    raise ImproperlyConfigured(
        f"HOST={HOST} is reachable from other machines: set PUBLIC_URL, "
        "the address under which clients reach this server"
    )
# The address under which carriers report to us.
BASE_URL = PUBLIC_URL or f"http://{f'[{HOST}]' if ':' in HOST else HOST}:{PORT}"
IS_HTTPS = _public.scheme == "https"
REQUIRE_HTTPS = boolean("REQUIRE_HTTPS", default=IS_HTTPS)

try:
    TRUSTED_PROXIES = [ipaddress.ip_network(item) for item in items("TRUSTED_PROXIES")]
except ValueError as error:
    raise ImproperlyConfigured(f"TRUSTED_PROXIES takes addresses and CIDRs: {error}") from None

_loopback_names = ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = _loopback_names + ([str(_public.hostname)] if PUBLIC_URL else [])
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []

# What we stand on ---------------------------------------------------------------------------------

_DATABASE_URL = text("DATABASE_URL")
REDIS_URL = text("REDIS_URL")
BROKER_URL = text("BROKER_URL") or REDIS_URL or "memory://localhost"
for _name, _url, _schemes in (
    ("DATABASE_URL", _DATABASE_URL, ("postgres", "postgresql", "sqlite")),
    ("REDIS_URL", REDIS_URL, ("redis", "rediss", "unix")),
    ("BROKER_URL", BROKER_URL, ("redis", "rediss", "amqp", "amqps", "memory")),
):
    if _url and not is_url(_url, schemes=_schemes):
        raise ImproperlyConfigured(f"{_name} must be a {_schemes[0]}:// URL")

DATABASES: dict[str, dict[str, Any]] = {
    "default": (
        env.db_url_config(_DATABASE_URL)
        if _DATABASE_URL
        else {"ENGINE": "django.db.backends.sqlite3", "NAME": str(VAR_DIR / "outdial.sqlite3")}
    )
}
_database = DATABASES["default"]
IS_SQLITE = str(_database["ENGINE"]).endswith("sqlite3")
if not IS_SQLITE and not str(_database["ENGINE"]).endswith("postgresql"):
    raise ImproperlyConfigured("DATABASE_URL must be a postgres:// URL")
_database["CONN_MAX_AGE"] = 60
_database["CONN_HEALTH_CHECKS"] = True
if IS_SQLITE:
    _database["OPTIONS"] = {
        # With DEFERRED, a read that turns into a write fails at once when another one writes.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    _database["ENGINE"] = "core.postgresql"
    _database["OPTIONS"] = postgres_options(_database.get("OPTIONS", {}))
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# web, worker and beat only share rows and wake-ups through servers that all of them reach.
CAN_RUN_APART = not IS_SQLITE and bool(REDIS_URL)

if REDIS_URL:
    _cache: dict[str, Any] = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        # A Redis that hangs must not hang us.
        "OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 0.5},
    }
else:
    _cache = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
CACHES = {"default": {**_cache, "KEY_PREFIX": "outdial"}}
# django-ratelimit knows neither of our caches as shared: LocMem (E003) is, where one process is all
# there is, and Django's own Redis cache counts atomically, though it came after that list (W001).
# Other hosts of the domain are not ours to speak for, so W005 and W021 ask for what HSTS decides.
SILENCED_SYSTEM_CHECKS = ["django_ratelimit.W001", "security.W005", "security.W021"] + (
    [] if REDIS_URL else ["django_ratelimit.E003"]
)

# Secrets ------------------------------------------------------------------------------------------

# Keys are made and kept in VAR_DIR only where everything stays on this machine: two hosts with
# keys of their own could not read each other's rows.
_may_generate = not PUBLIC_URL and is_loopback(str(_database.get("HOST") or "localhost"))
SECRET_KEY = text("SECRET_KEY") or (_may_generate and generated_key(VAR_DIR, "secret_key")) or ""
ENCRYPTION_KEYS = items("ENCRYPTION_KEYS") or (
    [generated_key(VAR_DIR, "encryption_key")] if _may_generate else []
)
if not SECRET_KEY or not ENCRYPTION_KEYS:
    raise ImproperlyConfigured(
        "Set SECRET_KEY (`openssl rand -base64 48`) and ENCRYPTION_KEYS "
        "(`openssl rand -base64 32 | tr '+/' '-_'`), the same on every host"
    )

if len(SECRET_KEY) < 32:
    raise ImproperlyConfigured("SECRET_KEY must have at least 32 characters")
SECRET_KEY_FALLBACKS = items("SECRET_KEY_FALLBACKS")
if any(len(_key) < 32 for _key in SECRET_KEY_FALLBACKS):
    raise ImproperlyConfigured("SECRET_KEY_FALLBACKS must have at least 32 characters each")
try:
    for _key in ENCRYPTION_KEYS:
        Fernet(_key)
except ValueError:
    raise ImproperlyConfigured(
        "ENCRYPTION_KEYS takes Fernet keys, 32 bytes in URL-safe base64, comma separated"
    ) from None

# Without one, only clients on this machine read /metrics.
METRICS_TOKEN = text("METRICS_TOKEN")
if METRICS_TOKEN and not re.fullmatch(r"[!-~]{16,}", METRICS_TOKEN):
    raise ImproperlyConfigured(
        "METRICS_TOKEN must have at least 16 printable ASCII characters, and no spaces"
    )

OTEL_EXPORTER_OTLP_ENDPOINT = text("OTEL_EXPORTER_OTLP_ENDPOINT").rstrip("/")
if OTEL_EXPORTER_OTLP_ENDPOINT:
    if not is_url(OTEL_EXPORTER_OTLP_ENDPOINT, schemes=("http", "https")):
        raise ImproperlyConfigured("OTEL_EXPORTER_OTLP_ENDPOINT must be an http:// or https:// URL")
    if not find_spec("opentelemetry"):
        raise ImproperlyConfigured(
            "OTEL_EXPORTER_OTLP_ENDPOINT needs the packages opentelemetry-sdk and "
            "opentelemetry-exporter-otlp-proto-http"
        )

# How much runs at once ---------------------------------------------------------------------------

WEB_WORKERS = integer("WEB_WORKERS", 2, least=1, most=64)
WEB_PINNED = boolean("WEB_PINNED", default=True)

# What may be reached ------------------------------------------------------------------------------

WEBHOOK_ALLOWED_TARGETS = items("WEBHOOK_ALLOWED_TARGETS")
for _target in WEBHOOK_ALLOWED_TARGETS:
    if not is_target(_target):
        raise ImproperlyConfigured(
            f"WEBHOOK_ALLOWED_TARGETS takes host names, addresses and CIDRs; {_target} is none"
        )
_stays_here = is_loopback(HOST) and is_loopback(_public.hostname or HOST)
if "WEBHOOK_ALLOWED_TARGETS" not in os.environ and _stays_here:
    WEBHOOK_ALLOWED_TARGETS = ["127.0.0.0/8", "::1"]

# What happens when --------------------------------------------------------------------------------

# The Standard Webhooks schedule: the wait before each attempt, three days in all.
WEBHOOK_RETRY_SCHEDULE = [
    timedelta(),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
]
# Paused and disabled ones count too, and so do Zapier's.
MAX_WEBHOOKS_PER_ACCOUNT = 50
LIVE_KEY_REQUESTS_PER_MINUTE = 60
TEST_KEY_REQUESTS_PER_MINUTE = 600
BAD_KEYS_PER_MINUTE = 60
BAD_AGENT_SECRETS_PER_MINUTE = 20
# So many tries in a minute, or an hour.
LOGIN_LIMITS = {
    "login-address": (10, "m"),
    "login-username": (5, "m"),
    "code-address": (10, "m"),
    "code-user": (5, "m"),
    "code-user-hour": (20, "h"),
}

# What is kept ------------------------------------------------------------------------------------

# No shorter than what may be recovered, and than what the dashboard looks back.
KEEP_EVENTS = kept_for("KEEP_EVENTS_DAYS", 90, least=30)
KEEP_TIMELINES = kept_for("KEEP_TIMELINES_DAYS", 365, least=30)

# Carriers -----------------------------------------------------------------------------------------

# Those an agent may name. Another one is a class and a line here.
CARRIERS = {
    "simulated": "calls.carriers.simulated.SimulatedCarrier",
    "twilio": "calls.carriers.twilio.TwilioCarrier",
    "dialer": "calls.carriers.dialer.DialerCarrier",
}

# For accounts that have no credentials of their own.
TWILIO_ACCOUNT_SID = text("TWILIO_ACCOUNT_SID")
TWILIO_AUTH_TOKEN = text("TWILIO_AUTH_TOKEN")
TWILIO_API_BASE_URL = text("TWILIO_API_BASE_URL", "https://api.twilio.com").rstrip("/")
if bool(TWILIO_ACCOUNT_SID) != bool(TWILIO_AUTH_TOKEN):
    raise ImproperlyConfigured("TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are set together, or not")
if TWILIO_ACCOUNT_SID and not re.fullmatch("AC[0-9a-f]{32}", TWILIO_ACCOUNT_SID):
    raise ImproperlyConfigured("TWILIO_ACCOUNT_SID must be AC and 32 hexadecimal digits")
if not is_url(TWILIO_API_BASE_URL, schemes=("http", "https")):
    raise ImproperlyConfigured("TWILIO_API_BASE_URL must be an http:// or https:// URL")
DIALER_URL = text("DIALER_URL")
DIALER_SECRET = text("DIALER_SECRET")
if bool(DIALER_URL) != bool(DIALER_SECRET):
    raise ImproperlyConfigured("DIALER_URL and DIALER_SECRET need each other: set both, or none")
if DIALER_URL and not (
    is_url(DIALER_URL, schemes=("http", "https")) and urlsplit(DIALER_URL).hostname
):
    raise ImproperlyConfigured("DIALER_URL must be an http:// or https:// URL")
if DIALER_SECRET.startswith("whsec_") and not is_secret(DIALER_SECRET):
    raise ImproperlyConfigured("DIALER_SECRET begins with whsec_, so base64 must follow")

# How many calls a carrier takes at once, and starts in one second; None where it has not said.
CARRIER_LIMITS = {
    "twilio": (
        optional_integer("TWILIO_MAX_CONCURRENT_CALLS", least=1, most=1_000_000),
        optional_integer("TWILIO_CALLS_PER_SECOND", least=1, most=10_000),
    ),
    "dialer": (
        optional_integer("DIALER_MAX_CONCURRENT_CALLS", least=1, most=1_000_000),
        optional_integer("DIALER_CALLS_PER_SECOND", least=1, most=10_000),
    ),
}

# What it costs -----------------------------------------------------------------------------------

# Where no row of the price table says otherwise.
CREDITS_PER_MINUTE = decimal("CREDITS_PER_MINUTE", "1")
CREDITS_PER_SEGMENT = decimal("CREDITS_PER_SEGMENT", "0.5")

# Who is told when something is wrong --------------------------------------------------------------

EMAIL_URL = text("EMAIL_URL")
if EMAIL_URL and not (
    is_url(EMAIL_URL, schemes=("smtp", "smtp+tls", "smtp+ssl")) and urlsplit(EMAIL_URL).hostname
):
    raise ImproperlyConfigured(
        "EMAIL_URL must look like smtp://user:password@mail.example.org:25; "
        "smtp+tls:// begins in clear and turns to TLS, smtp+ssl:// begins with TLS"
    )
_mail = env.email_url_config(EMAIL_URL or "dummymail://")
EMAIL_BACKEND, EMAIL_HOST = _mail["EMAIL_BACKEND"], _mail["EMAIL_HOST"] or "localhost"
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail["EMAIL_HOST_USER"], _mail["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.get("EMAIL_USE_TLS", False), _mail.get("EMAIL_USE_SSL", False)
EMAIL_PORT = _mail["EMAIL_PORT"] or (587 if EMAIL_USE_TLS else 465 if EMAIL_USE_SSL else 25)
EMAIL_TIMEOUT = 10
# Mail servers refuse a sender whose domain is an IP address, or a name without a dot.
_sender = f"outdial@{_public.hostname}"
DEFAULT_FROM_EMAIL = text("DEFAULT_FROM_EMAIL") or (
    _sender if is_mail_address(_sender) else "outdial@localhost"
)
ALERT_EMAILS = items("ALERT_EMAILS")
if not is_mail_address(DEFAULT_FROM_EMAIL):
    raise ImproperlyConfigured("DEFAULT_FROM_EMAIL must be an address like outdial@example.org")
for _address in ALERT_EMAILS:
    if not is_mail_address(_address):
        raise ImproperlyConfigured(f"ALERT_EMAILS takes mail addresses; {_address} is none")
if len(ALERT_EMAILS) > 20:  # operations/telling.py: each of them takes time of a lease
    raise ImproperlyConfigured("ALERT_EMAILS takes at most 20 addresses; name a mailing list")
if ALERT_EMAILS and not EMAIL_URL:
    raise ImproperlyConfigured("ALERT_EMAILS needs EMAIL_URL, the server that takes the mail")

OPERATOR_WEBHOOK_URL = text("OPERATOR_WEBHOOK_URL")
OPERATOR_WEBHOOK_SECRET = text("OPERATOR_WEBHOOK_SECRET")
if bool(OPERATOR_WEBHOOK_URL) != bool(OPERATOR_WEBHOOK_SECRET):
    raise ImproperlyConfigured(
        "OPERATOR_WEBHOOK_URL and OPERATOR_WEBHOOK_SECRET need each other: set both, or none"
    )
if OPERATOR_WEBHOOK_URL and not (
    is_url(OPERATOR_WEBHOOK_URL, schemes=("http", "https"))
    and urlsplit(OPERATOR_WEBHOOK_URL).hostname
    and "@" not in urlsplit(OPERATOR_WEBHOOK_URL).netloc
):
    raise ImproperlyConfigured(
        "OPERATOR_WEBHOOK_URL must be an http:// or https:// URL without credentials"
    )
if OPERATOR_WEBHOOK_SECRET and not is_secret(OPERATOR_WEBHOOK_SECRET):
    raise ImproperlyConfigured(
        'OPERATOR_WEBHOOK_SECRET must be whsec_ and base64: echo "whsec_$(openssl rand -base64 32)"'
    )

# Django -------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "config",
    "operations",
    "calls",
    "webhooks",
    "agents",
    "core",
    "unfold.apps.BasicAppConfig",  # the default one would put its own site in the place of ours
    "unfold.contrib.filters",
    "config.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_ratelimit",
]
MIDDLEWARE = [
    "core.security_headers.security_headers",
    "core.middleware.trusted_proxies",
    "core.middleware.request_id",
    "core.middleware.probes",
    "core.middleware.no_nul",
    "core.middleware.https_required",
    "core.middleware.body_limit",
    "django.middleware.security.SecurityMiddleware",
    "core.middleware.programs",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
PROBES = {
    "/healthz": "core.health.alive",
    "/readyz": "core.health.ready",
    "/metrics": "operations.exposition.metrics",
}
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LANGUAGE_CODE = "en"
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
# Whitenoise finds the files in the packages themselves: no collecting step that can be forgotten.
WHITENOISE_USE_FINDERS = True

LOGIN_REDIRECT_URL = "admin:index"
REQUIRE_TWO_FACTOR = boolean("REQUIRE_TWO_FACTOR", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_HTTPONLY = True
# Not Strict: a link from a mail or a chat should find its reader logged in.
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = int(timedelta(hours=12).total_seconds())
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SECURE_SSL_REDIRECT = REQUIRE_HTTPS
# The API refuses plain http instead: a redirect comes after the key was sent in clear.
SECURE_REDIRECT_EXEMPT = [r"^api/"]
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
HSTS = text("HSTS", "host")
if HSTS not in ("host", "subdomains", "preload"):
    raise ImproperlyConfigured("HSTS must be host, subdomains or preload")
SECURE_HSTS_INCLUDE_SUBDOMAINS = HSTS != "host"
SECURE_HSTS_PRELOAD = HSTS == "preload"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "core.schema.ApiSchema",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Outdial",
    "DESCRIPTION": "Places outbound calls and tells the world what happened to each of them.",
    "VERSION": VERSION,
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": [],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "core.schema.add_errors",
        "config.api_schema.add_links",
    ],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "CallStatus": "calls.models.Status",
        "MessageStatus": "calls.models.MessageStatus",
        "WebhookStatus": "webhooks.models.Subscription.Status",
        "DeliveryStatus": "webhooks.models.Delivery.Status",
        "Mode": "agents.models.Mode",
        "Acceptance": [("success", "success")],
        "Queued": [("queued", "queued")],
    },
}

# Celery -------------------------------------------------------------------------------------------

CELERY_BROKER_URL = BROKER_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_TIMEOUT = 1
if BROKER_URL.startswith("memory:"):
    # kombu looks at its in-memory queues once a second otherwise: a call would wait that long.
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {"polling_interval": 0.02}
elif BROKER_URL.startswith("redis"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 1, "socket_timeout": 5}
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Celery's Django fixup closes the database connection around every task unless told otherwise.
CELERY_DB_REUSE_MAX = 1000

# Logs ---------------------------------------------------------------------------------------------

LOG_LEVEL = text("LOG_LEVEL", "INFO").upper()
if LOG_LEVEL not in ("DEBUG", "INFO", "WARNING", "ERROR"):
    raise ImproperlyConfigured("LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR")
LOGGING = logging_config(level=LOG_LEVEL, format=text("LOG_FORMAT"))
