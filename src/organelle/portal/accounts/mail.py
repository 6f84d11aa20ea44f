"""Mails of this room; they are sent at once, since somebody waits for them."""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

log = logging.getLogger("organelle.portal.accounts")


def send(template: str, to: str, subject: str, **context: Any) -> bool:
    """Send `accounts/mail/TEMPLATE.txt`; False, and a line in the log, if it cannot be sent."""
    values = {"title": settings.PORTAL.title, "url": settings.PORTAL_URL, **context}
    text = render_to_string(f"accounts/mail/{template}.txt", values)
    message = EmailMessage(subject, text, to=[to], headers={"Auto-Submitted": "auto-generated"})
    try:
        message.send()
    except (OSError, UnicodeError) as error:  # of sockets, TLS and SMTP alike; and of domains
        log.warning("a mail (%s) could not be sent: %s", template, type(error).__name__)
        return False
    return True
