"""Rules of several versions, and counts for rate limits."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("challenge", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Pace",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=64, unique=True)),
                ("since", models.DateTimeField(db_index=True)),
                ("count", models.IntegerField(default=1)),
            ],
        ),
        migrations.CreateModel(
            name="Rules",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("version", models.CharField(max_length=32, unique=True)),
                ("text", models.TextField(help_text="Markdown; no HTML.")),
                ("holds_from", models.DateTimeField(default=django.utils.timezone.now, help_text="UTC")),
            ],
            options={
                "verbose_name_plural": "rules",
                "ordering": ["-holds_from"],
            },
        ),
    ]
