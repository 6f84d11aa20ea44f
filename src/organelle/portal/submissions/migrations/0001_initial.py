"""The tables of this room, as they were at first."""

import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Submission",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("sha256", models.CharField(db_index=True, max_length=64)),
                ("size_bytes", models.BigIntegerField()),
                ("name", models.CharField(max_length=200)),
                ("method", models.CharField(blank=True, max_length=100)),
                ("description", models.TextField(blank=True, max_length=4000)),
                ("code_url", models.URLField(blank=True, max_length=300)),
                ("publish", models.BooleanField(default=True)),
                ("anonymous", models.BooleanField(default=False)),
                ("lineage", models.JSONField(blank=True, null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("checking", "being checked"),
                            ("refused", "refused: it cannot be scored as it is"),
                            ("held", "held for an organiser to look at"),
                            ("queued", "waiting to be scored"),
                            ("scoring", "being scored"),
                            ("scored", "scored"),
                            ("failed", "failed for a reason that is ours"),
                            ("cancelled", "cancelled"),
                        ],
                        db_index=True,
                        default="checking",
                        max_length=16,
                    ),
                ),
                ("reason", models.TextField(blank=True)),
                ("report", models.JSONField(blank=True, null=True)),
                ("created", models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                ("attempt_at", models.DateTimeField(blank=True, db_index=True, null=True)),
                ("chosen", models.BooleanField(default=False)),
                (
                    "team",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="submissions",
                        to="accounts.team",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="submissions",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-created"],
            },
        ),
        migrations.CreateModel(
            name="Transition",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("time", models.DateTimeField(default=django.utils.timezone.now)),
                ("actor", models.CharField(max_length=150)),
                ("source", models.CharField(blank=True, max_length=16)),
                ("target", models.CharField(max_length=16)),
                ("reason", models.TextField(blank=True)),
                (
                    "submission",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="transitions",
                        to="submissions.submission",
                    ),
                ),
            ],
            options={
                "ordering": ["time", "id"],
            },
        ),
        migrations.CreateModel(
            name="Upload",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("length", models.BigIntegerField()),
                ("offset", models.BigIntegerField(default=0)),
                ("name", models.CharField(max_length=200)),
                ("sha256", models.CharField(blank=True, max_length=64)),
                ("fields", models.JSONField(default=dict)),
                ("created", models.DateTimeField(default=django.utils.timezone.now)),
                ("touched", models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                (
                    "submission",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="upload",
                        to="submissions.submission",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="uploads",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="submission",
            constraint=models.UniqueConstraint(
                fields=("team", "sha256"), name="one_submission_per_team_and_file"
            ),
        ),
    ]
