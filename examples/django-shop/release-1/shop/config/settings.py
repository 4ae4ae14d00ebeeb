"""Django's settings for the shop. What belongs to a host, or is secret, comes from its environment."""

import os
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("SHARED", "/mnt/shared"))
"""What all hosts see. It stands for services of their own: a database, a store of secrets."""


def _secret() -> str:
    """The same on all hosts and in all releases, or a visitor's session would end at the next host."""
    try:
        return os.environ.get("SECRET_KEY") or (SHARED / "secret-key").read_text().strip()
    except FileNotFoundError:
        # Enough to collect static files; Django refuses to sign anything with it.
        return ""


SECRET_KEY = _secret()
DEBUG = False
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "shop.example").split(",")
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "catalogue",
]
MIDDLEWARE = [
    "config.middleware.ThisHost",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.middleware.this_host",
            ]
        },
    }
]

# The session travels in a signed cookie: no host has any of it, so none is missed.
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_SECURE = True
# TLS ends at the balancer, which says so in this header.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": SHARED / "shop.sqlite3",
        "OPTIONS": {"timeout": 20},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

# The shop's files are published to ASSETS_URL before any host needs them; the admin's stay on the host.
ASSETS_URL = os.environ.get("ASSETS_URL", "https://assets.shop.example/static/")
STATIC_URL = "/static/"
STATIC_ROOT = Path(os.environ.get("STATIC_ROOT", HOME / "static"))
MANIFEST_ROOT = Path(os.environ.get("MANIFEST_ROOT", HOME / "manifest"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "config.storage.PublishedStaticFiles"},
}
