"""Django's settings, made of `organelle.portal.config`: the one place that reads the environment on import.

`CSC_PORTAL_FOLDER` names the portal's folder. Without it everything is in memory, as tests want it.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from organelle.portal.config import load_config
from organelle.portal.folder import PortalFolder

_named = os.environ.get("CSC_PORTAL_FOLDER")
FOLDER = PortalFolder(Path(_named)) if _named else None
PORTAL = load_config(_named, os.environ)
PORT = int(os.environ.get("CSC_PORTAL_PORT", "8000"))
PORTAL_URL = (PORTAL.url or f"http://localhost:{PORT}").rstrip("/")

SECRET_KEY = FOLDER.key() if FOLDER and FOLDER.key_file.exists() else secrets.token_urlsafe(64)
DEBUG = False
ALLOWED_HOSTS = list(PORTAL.hosts)
ROOT_URLCONF = "organelle.portal.urls"
WSGI_APPLICATION = "organelle.portal.wsgi.application"
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SITE_ID = 1

INSTALLED_APPS = [
    "organelle.portal.challenge.organise.OrganiseConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.github",
    "organelle.portal.challenge",
    "organelle.portal.accounts",
    "organelle.portal.explorer",
    "organelle.portal.submissions",
    "organelle.portal.scoring",
    "organelle.portal.board",
    "organelle.portal.news",
    "organelle.portal.api",
]

MIDDLEWARE = [
    "organelle.portal.headers.HeadersMiddleware",  # outermost: redirects to https have headers, too
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "organelle.portal.challenge.context.challenge",
            ],
        },
    }
]


def _database(address: str) -> dict[str, Any]:
    """SQLite that waits for its turn instead of failing, or PostgreSQL."""
    if not address:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": FOLDER.database if FOLDER else ":memory:",
            "CONN_MAX_AGE": 60,  # the last one that closes writes the whole log into the database
            "OPTIONS": {
                "timeout": 30,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
            },
        }
    parts = urlsplit(address)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": parts.port or "",
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }


DATABASES = {"default": _database(PORTAL.database)}
_IN_MEMORY = "django.core.cache.backends.locmem.LocMemCache"
CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": _IN_MEMORY},
    "pages": {"BACKEND": _IN_MEMORY, "LOCATION": "pages", "OPTIONS": {"MAX_ENTRIES": 128}},
}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "/static/"
STATICFILES_DIRS = [Path(__file__).parent / "static"]
WHITENOISE_USE_FINDERS = True  # what packages bring along is served from where it is: no collecting
WHITENOISE_AUTOREFRESH = False
WHITENOISE_MAX_AGE = 3600
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/account/"
LOGOUT_REDIRECT_URL = "/"
AUTH_PASSWORD_VALIDATORS: list[dict[str, str]] = []  # nobody has a password

SOCIALACCOUNT_ADAPTER = "organelle.portal.accounts.github.PortalAccounts"
SOCIALACCOUNT_QUERY_EMAIL = True
SOCIALACCOUNT_STORE_TOKENS = False

SESSION_COOKIE_NAME = "portal_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "organelle.portal.challenge.errors.csrf_failure"
CSRF_TRUSTED_ORIGINS = [PORTAL.url.rstrip("/")] if PORTAL.url else []
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if PORTAL.production:
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^health/", r"^ready/", r"^metrics/"]
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = True
if PORTAL.proxies:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

DATA_UPLOAD_MAX_MEMORY_SIZE = 1 << 20
FILE_UPLOAD_MAX_MEMORY_SIZE = 1 << 20
FILE_UPLOAD_TEMP_DIR = FOLDER.uploads if FOLDER else None

EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if PORTAL.mail.host else 'console'}.EmailBackend"
EMAIL_HOST, EMAIL_PORT = PORTAL.mail.host, PORTAL.mail.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = PORTAL.mail.user, PORTAL.mail.password
EMAIL_USE_TLS = PORTAL.mail.tls
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = SERVER_EMAIL = PORTAL.mail.sender

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "filters": {"discreet": {"()": "organelle.portal.accounts.discreet.WithoutWords"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "plain", "filters": ["discreet"]},
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {"organelle.portal": {"level": "INFO"}},
}
