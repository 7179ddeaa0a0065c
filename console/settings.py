"""All settings of Spillway, read from the environment once; nobody else reads `os.environ`.

Every variable is listed with its meaning in `.env.example`. A secret `NAME` may also be given as
a file through `NAME_FILE` (Docker and Kubernetes secrets).
"""

from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _
from environs import FileAwareEnv

BASE_DIR = Path(__file__).resolve().parent.parent

env = FileAwareEnv()
env.read_env(str(BASE_DIR / ".env"), recurse=False)

DATA_DIR = Path(env.str("SPILLWAY_DATA_DIR", str(BASE_DIR / "var")))
DATA_DIR.mkdir(parents=True, exist_ok=True)

DEBUG = False
SECRET_KEY = env.str("SPILLWAY_SECRET_KEY", "")
# "id:base64 of 32 bytes", comma separated; the first one seals, all of them open.
VAULT_KEYS: list[str] = env.list("SPILLWAY_VAULT_KEYS", [])
PUBLIC_URL = env.str("SPILLWAY_PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/")
_public = urlsplit(PUBLIC_URL)
ALLOWED_HOSTS: list[str] = env.list(
    "SPILLWAY_ALLOWED_HOSTS", [_public.hostname or "127.0.0.1", "localhost", "127.0.0.1"]
)
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

# Networks the product may dial beyond the public ones, and those it never may (CIDR lists).
DIAL_ALLOW: list[str] = env.list("SPILLWAY_DIAL_ALLOW", [])
DIAL_DENY: list[str] = env.list("SPILLWAY_DIAL_DENY", [])

INSTALLED_APPS = [
    "django.forms",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "channels",
    "csp",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "providers",
    "addons",
    "console",
]

MIDDLEWARE = [
    "console.middleware.request_id",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "console.middleware.audited",
    "console.middleware.preferences",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "console.urls"
ASGI_APPLICATION = "console.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "console.context.shell",
            ],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# --- data -------------------------------------------------------------------------------------

DATABASE_URL = env.str("DATABASE_URL", f"sqlite:///{DATA_DIR / 'spillway.sqlite3'}")
if DATABASE_URL.startswith("sqlite"):
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": DATABASE_URL.removeprefix("sqlite:///"),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": (
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32000;"
                ),
            },
        }
    }
else:
    DATABASES = {"default": env.dj_db_url("DATABASE_URL", engine="django.db.backends.postgresql")}
    DATABASES["default"]["OPTIONS"] = {"pool": {"min_size": 1, "max_size": 16, "timeout": 10}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", f"unix://{DATA_DIR / 'redis.sock'}")


def _broker(url: str) -> str:
    """Celery spells a unix socket `redis+socket://`; redis-py spells it `unix://`."""
    if url.startswith("unix://"):
        return url.replace("unix://", "redis+socket://").split("?")[0] + "?virtual_host=0"
    return url


CELERY_BROKER_URL = _broker(REDIS_URL)
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = env.int("SPILLWAY_WORKER_THREADS", 16)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 30, "socket_keepalive": True}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat-schedule")

# How many keys of one virtual node a worker works on at once, and how long one drain may take.
DRAIN_CONCURRENCY = env.int("SPILLWAY_DRAIN_CONCURRENCY", 64)
DRAIN_SLICE_SECONDS = env.float("SPILLWAY_DRAIN_SLICE_SECONDS", 10.0)
LEASE_SECONDS = env.float("SPILLWAY_LEASE_SECONDS", 15.0)
SWEEP_SECONDS = env.float("SPILLWAY_SWEEP_SECONDS", 2.0)
FULL_SWEEP_SECONDS = env.float("SPILLWAY_FULL_SWEEP_SECONDS", 30.0)
# How often bills are asked for while lines still come: the clouds settle by the hour.
BILL_SECONDS = env.float("SPILLWAY_BILL_SECONDS", 3600.0)
# The documented call limits of a cloud times this, where a ticket has raised them.
CLOUD_RATE_FACTOR = env.float("SPILLWAY_CLOUD_RATE_FACTOR", 1.0)
# Kingsoft publishes no limits: calls a second per account and region.
KCI_READ_RATE = env.float("SPILLWAY_KCI_READ_RATE", 5.0)
KCI_WRITE_RATE = env.float("SPILLWAY_KCI_WRITE_RATE", 2.0)
# KCI tells times without a zone.
KCI_TIME_ZONE = env.str("SPILLWAY_KCI_TIME_ZONE", "Asia/Shanghai")

# The image of the canary pod of component operations, where the clouds' own does not do; `{region}`
# stands for the node's region.
CANARY_IMAGE = env.str("SPILLWAY_CANARY_IMAGE", "")

# --- people -----------------------------------------------------------------------------------

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_SAMESITE = "Lax"
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(env.str("SPILLWAY_STATIC_ROOT", str(DATA_DIR / "static")))
WHITENOISE_USE_FINDERS = env.bool("SPILLWAY_STATIC_FINDERS", False)
WHITENOISE_AUTOREFRESH = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if WHITENOISE_USE_FINDERS
        else "console.staticfiles.HashedStorage"
    },
}

# --- web security -----------------------------------------------------------------------------

_https = _public.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = env.int("SPILLWAY_SESSION_HOURS", 12) * 3600
SESSION_SAVE_EVERY_REQUEST = False
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _https else None
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}
CSRF_FAILURE_VIEW = "console.views.errors.csrf_failure"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
}

# --- REST -------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "console.api.auth.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "console.api.pagination.Pages",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    # OPTIONS would describe serializers that views do not have; the schema describes them.
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "console.api.problems.handler",
    "DEFAULT_THROTTLE_CLASSES": ["console.api.throttling.PerToken"],
    "DEFAULT_THROTTLE_RATES": {"token": env.str("SPILLWAY_API_RATE", "1200/min")},
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Spillway API",
    "DESCRIPTION": _("Clusters, virtual nodes, pods, instances and credentials of Spillway."),
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "console.api.schema.common",
    ],
    "ENUM_NAME_OVERRIDES": {
        "NodeState": ["installing", "ready", "not_ready", "removing"],
        "ClusterState": ["connected", "degraded", "unreachable"],
        "OperationState": ["queued", "running", "succeeded", "failed", "cancelled"],
        "StepState": ["waiting", "running", "done", "failed"],
        "CheckState": ["ok", "warn", "bad", "skipped"],
        "InstallationState": ["installing", "installed", "changing", "failed", "uninstalling"],
        "PlanCheckState": ["ok", "warn", "bad"],
        "FleetUpgradeState": ["running", "paused", "stopped", "succeeded", "cancelled"],
        "FleetMemberState": ["waiting", "running", "done", "failed", "skipped"],
        "RamGrantState": ["granting", "granted", "revoked"],
        "Delivery": ["hosted", "in_cluster", "managed"],
        "BillState": "console.billing.models.BillDay.State",
        "ExportState": "console.billing.models.Export.State",
        "BudgetState": ["ok", "near", "over", "held", "off"],
        "WorkloadKind": "console.api.compatibility.KINDS",
    },
}

# --- mail -------------------------------------------------------------------------------------

# submission://user:password@host (STARTTLS on 587), smtp://host:465?ssl=True, smtp://host.
# Empty: mail is not sent.
_mail = env.dj_email_url("SPILLWAY_EMAIL_URL", "") or {}
EMAIL_BACKEND = _mail.get("EMAIL_BACKEND") or "django.core.mail.backends.dummy.EmailBackend"
EMAIL_HOST, EMAIL_PORT = _mail.get("EMAIL_HOST") or "", _mail.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = _mail.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = _mail.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS, EMAIL_USE_SSL = bool(_mail.get("EMAIL_USE_TLS")), bool(_mail.get("EMAIL_USE_SSL"))
EMAIL_TIMEOUT = 8
DEFAULT_FROM_EMAIL = env.str("SPILLWAY_EMAIL_FROM", f"spillway@{_public.hostname or 'localhost'}")

# --- logs -------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "console.trace.RequestIdFilter"}},
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name} [{request_id}] {message}", "style": "{"}
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["request_id"],
        }
    },
    "root": {"handlers": ["stderr"], "level": env.str("SPILLWAY_LOG_LEVEL", "INFO")},
    "loggers": {"django.request": {"level": "ERROR"}, "celery": {"level": "WARNING"}},
}
