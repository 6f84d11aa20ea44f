"""What people type in."""

from __future__ import annotations

from typing import Any

from django import forms

from organelle.portal.accounts.models import ApiToken, User
from organelle.portal.accounts.names import plain_name
from organelle.portal.accounts.tokens import scopes_for

DAYS = ((7, "a week"), (30, "30 days"), (90, "90 days"), (365, "a year"))


class PlainForm(forms.Form):
    """Labels without a colon behind them, as pages write them."""

    def __init__(self, *values: Any, **others: Any) -> None:
        super().__init__(*values, **{"label_suffix": ""} | others)


def reachable(email: str) -> str:
    """The address, if its domain has a form that mail servers understand; else a `ValidationError`."""
    try:
        email.rpartition("@")[2].encode("idna")
    except UnicodeError:
        raise forms.ValidationError("No mail can be sent to this domain.") from None
    return email


class AddressForm(PlainForm):
    """A mail address."""

    email = forms.EmailField(
        label="Mail address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "autocapitalize": "none"}),
    )

    def clean_email(self) -> str:
        """The address, if its domain has a form that mail servers understand."""
        return reachable(self.cleaned_data["email"])


class NameForm(PlainForm):
    """How a person wants to be called, and which mails they want."""

    name = forms.CharField(
        label="Name",
        max_length=100,
        help_text="As your team sees you.",
        widget=forms.TextInput({"autocomplete": "name"}),
    )
    mail_scores = forms.BooleanField(label="Mail me when a score is ready", required=False)

    def clean_name(self) -> str:
        """The name in one line."""
        return plain_name(self.cleaned_data["name"], self.fields["name"].max_length)


class UserForm(forms.ModelForm):
    """A person, whose address is kept in small letters."""

    def clean_email(self) -> str:
        """Before it is compared with those of others."""
        return reachable(self.cleaned_data["email"].strip().lower())

    def clean_name(self) -> str:
        """In one line, as people themselves give it."""
        return plain_name(self.cleaned_data["name"], self.fields["name"].max_length)


class TeamForm(PlainForm):
    """A team."""

    name = forms.CharField(label="Name of the team", max_length=60, help_text="The leaderboard shows it.")
    affiliation = forms.CharField(
        label="Affiliation", max_length=120, required=False, help_text="A lab or a university, if you like."
    )

    def clean_name(self) -> str:
        """The name in one line."""
        return plain_name(self.cleaned_data["name"], self.fields["name"].max_length)

    def clean_affiliation(self) -> str:
        """In one line, or nothing."""
        text = self.cleaned_data["affiliation"].strip()
        return plain_name(text, self.fields["affiliation"].max_length) if text else ""


class TokenForm(PlainForm):
    """A token for a program, with scopes that `person` may give."""

    name = forms.CharField(label="Name", max_length=60, help_text="Where you will use it: laptop, cluster.")
    scopes = forms.MultipleChoiceField(
        label="It may",
        initial=[ApiToken.Scope.READ, ApiToken.Scope.SUBMIT],
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.TypedChoiceField(label="It works for", choices=DAYS, coerce=int, initial=90)

    def __init__(self, *values: Any, person: User, **others: Any) -> None:
        super().__init__(*values, **others)
        self.fields["scopes"].choices = scopes_for(person)

    def clean_name(self) -> str:
        """The name in one line."""
        return plain_name(self.cleaned_data["name"], self.fields["name"].max_length)


class FarewellForm(PlainForm):
    """One's own address, typed, so that nobody deletes an account by a slip."""

    email = forms.CharField(label="Type your mail address", widget=forms.TextInput({"autocomplete": "off"}))

    def __init__(self, *values: Any, expected: str, **others: Any) -> None:
        super().__init__(*values, **others)
        self.expected = expected

    def clean_email(self) -> str:
        """The address, if it is that of the account."""
        typed: str = self.cleaned_data["email"].strip().lower()
        if typed != self.expected:
            raise forms.ValidationError("This is not the address of this account; nothing was deleted.")
        return typed
