"""Makes Django's admin known, with our own door; not in `apps`, where Django wants one configuration."""

from __future__ import annotations

from django.contrib.admin.apps import AdminConfig


class OrganiseConfig(AdminConfig):
    """The organisers' pages."""

    default_site = "organelle.portal.challenge.site.PortalAdmin"
