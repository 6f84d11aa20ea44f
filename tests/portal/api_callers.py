"""Programs and browsers that call the API."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from organelle.portal.accounts.models import ApiToken, User


class Caller:
    """Sends JSON to addresses below `/api/`."""

    def __init__(self, client: Client, headers: dict[str, str] | None = None) -> None:
        self.client, self.headers = client, headers or {}

    def __call__(self, method: str, path: str, **fields: Any) -> Any:
        body = json.dumps(fields).encode()
        return self.client.generic(method, f"/api/{path}", body, "application/json", headers=self.headers)


def program(person: User, *scopes: str) -> Caller:
    """One with a new token."""
    _, word = ApiToken.make(person, "program", list(scopes))
    return Caller(Client(), {"Authorization": f"Bearer {word}"})


def browser(person: User) -> Caller:
    """One with a new session."""
    client = Client()
    client.force_login(person)
    return Caller(client)
