"""Mails to the people of a team about their submissions."""

from __future__ import annotations

from django.conf import settings
from django.template.loader import render_to_string

from organelle.portal.news.outgoing import post
from organelle.portal.submissions.models import Submission


def score_is_ready(submission: Submission) -> int:
    """Tell the members who want to know; returns how many.

    The mail holds no score: mail is read on the way, and the page shows what its reader may see.
    """
    values = {
        "submission": submission,
        "title": settings.PORTAL.title,
        "link": f"{settings.PORTAL_URL}/submissions/{submission.pk}/",
        "account": f"{settings.PORTAL_URL}/account/",
    }
    text = render_to_string("news/mail/score.txt", values)
    people = submission.team.members.filter(is_active=True, mail_scores=True)
    return len([post(person.email, f"{submission.name} is scored", text) for person in people])
