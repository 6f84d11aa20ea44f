"""How much room uploads and submissions take, and how much is left."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from django.db.models import Max, Sum

from organelle.portal.submissions.models import Submission, Upload
from organelle.portal.submissions.store import folder


@dataclass(frozen=True)
class Storage:
    """What is kept, in files and bytes.

    Attributes:
        files: of submissions; teams with the same file share it.
        file_bytes: of those files.
        uploads: that are not whole yet.
        upload_bytes: that came in for those.
        free_bytes: on the disk of the portal's folder.
        disk_bytes: of that disk.
    """

    files: int
    file_bytes: int
    uploads: int
    upload_bytes: int
    free_bytes: int
    disk_bytes: int


def storage() -> Storage:
    """As the database tells it; only the disk itself is asked what is free.

    Raises:
        SettingsError: this portal has no folder.
    """
    files = Submission.objects.order_by().values("sha256").annotate(size=Max("size_bytes"))
    uploads = Upload.objects.filter(submission=None)
    disk = shutil.disk_usage(folder().root)
    return Storage(
        files=files.count(),
        file_bytes=files.aggregate(all=Sum("size"))["all"] or 0,
        uploads=uploads.count(),
        upload_bytes=uploads.aggregate(all=Sum("offset"))["all"] or 0,
        free_bytes=disk.free,
        disk_bytes=disk.total,
    )
