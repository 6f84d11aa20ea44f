"""What organisers write, and what readers ask for."""

from __future__ import annotations

from django import forms

from organelle.portal.news.models import Post

NOT_SLUGS = frozenset({"subscribe", "confirm", "leave", "feed"})
"""Names of other pages of the news."""


class PostForm(forms.ModelForm):
    """A post, at an address of its own."""

    class Meta:
        model = Post
        fields = ("title", "slug", "body", "published")
        help_texts = {
            "body": "Markdown; no HTML, no pictures.",
            "published": "UTC. Empty: a draft. In the future: it appears then, and is mailed then. "
            "More than a week ago: it is not mailed.",
        }

    def clean_slug(self) -> str:
        """Not the name of another page."""
        slug: str = self.cleaned_data["slug"]
        if slug in NOT_SLUGS:
            raise forms.ValidationError(f"/news/{slug}/ is another page; choose another name.")
        return slug


class Subscription(forms.Form):
    """One address that wants the news by mail."""

    email = forms.EmailField(
        label="Your mail address", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )
