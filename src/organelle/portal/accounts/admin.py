"""Organisers' pages of this room."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest

from organelle.portal.accounts.forms import UserForm
from organelle.portal.accounts.models import ApiToken, Membership, Team, User
from organelle.portal.accounts.personal import forget
from organelle.portal.accounts.sessions import end_all
from organelle.portal.accounts.teams import let_one_lead
from organelle.portal.accounts.tokens import revoke_token
from organelle.portal.challenge.site import ReadOnly


@admin.register(User)
class UserAdmin(admin.ModelAdmin):
    """People. Who is closed out is signed out everywhere at once; nobody closes out themselves."""

    form = UserForm
    list_display = ("email", "name", "is_active", "is_staff", "rules_accepted", "last_login")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "name")
    fields = (
        "email", "name", "is_active", "is_staff", "is_superuser", "mail_scores",
        "rules_accepted", "rules_accepted_at", "date_joined", "last_login",
    )  # fmt: skip
    readonly_fields = ("rules_accepted", "rules_accepted_at", "date_joined", "last_login")

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """People come in by themselves."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Only whoever may do everything says who else may; and nobody takes it from themselves."""
        rights = ("is_staff", "is_superuser", "is_active")
        locked = () if request.user.is_superuser else ("email", *rights)
        own = ("email", *rights) if obj is not None and obj == request.user else ()
        return (*super().get_readonly_fields(request, obj), *(locked or own))

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Close out at once; an organiser who was made one may do everything that organisers do."""
        if "is_staff" in form.changed_data and obj.is_staff:
            obj.is_superuser = True
        if not obj.is_active:
            obj.is_staff = obj.is_superuser = False
        super().save_model(request, obj, form, change)
        if not obj.is_active:
            end_all(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Organisers delete themselves on their own page, so that one always stays."""
        return super().has_delete_permission(request, obj) and obj != request.user

    def get_deleted_objects(self, objs: Iterable[User], request: HttpRequest) -> tuple[Any, ...]:  # noqa: ARG002
        """What goes: the person and what is theirs alone; submissions stay."""
        return [f"{person.email}, with tokens, sign-ins and membership" for person in objs], {}, set(), []

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        """As people themselves do."""
        self._forget(request, [obj])

    def delete_queryset(self, request: HttpRequest, queryset: Iterable[User]) -> None:
        """As people themselves do."""
        self._forget(request, queryset)

    def _forget(self, request: HttpRequest, people: Iterable[User]) -> None:
        for person in people:
            if person == request.user:
                self.message_user(request, "You delete yourself on your own account page.", messages.ERROR)
            else:
                forget(person, by=request.user)


class MembershipInline(admin.TabularInline):
    """Who is in a team."""

    model = Membership
    extra = 0
    raw_id_fields = ("user",)


@admin.register(Team)
class TeamAdmin(admin.ModelAdmin):
    """Teams. One with submissions is banned rather than deleted, since they would go with it."""

    list_display = ("name", "affiliation", "is_baseline", "is_banned", "created")
    list_filter = ("is_baseline", "is_banned")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    inlines = (MembershipInline,)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Whoever is taken out of a team, somebody leads it."""
        super().save_related(request, form, formsets, change)
        let_one_lead(form.instance)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never with submissions, and never many at once."""
        empty = obj is not None and not obj.submissions.exists()
        return empty and super().has_delete_permission(request, obj)


@admin.register(ApiToken)
class TokenAdmin(ReadOnly):
    """Tokens: seen, and revoked."""

    list_display = ("prefix", "user", "name", "scopes", "created", "expires", "revoked", "last_used")
    fields = ("prefix", "user", "name", "scopes", "created", "expires", "revoked", "last_used")
    search_fields = ("prefix", "user__email")
    actions = ("revoke",)

    @admin.action(description="Revoke the chosen tokens")
    def revoke(self, request: HttpRequest, queryset: Any) -> None:
        """End them."""
        for token in queryset:
            revoke_token(token, request.user, by="admin")
