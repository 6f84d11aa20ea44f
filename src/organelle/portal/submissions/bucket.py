"""Submissions in a bucket: a file is there before its submission is, and fetched where it is wanted."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings

from organelle.errors import TransferError
from organelle.files import sha256, whole
from organelle.portal.config import Bucket

PIECE_BYTES = 8 << 20


def is_used() -> bool:
    """Whether this portal keeps submissions in a bucket."""
    return bool(settings.PORTAL.bucket.name)


def put(path: Path) -> None:
    """Bring the file at `path` into the bucket under its own name; at most a few pieces are in memory.

    Raises:
        TransferError: the bucket does not take it. The file is still here.
    """
    import obstore

    store, key = _store(settings.PORTAL.bucket), _key(path.name)
    try:
        with path.open("rb") as stream:
            obstore.put(store, key, stream, chunk_size=PIECE_BYTES, max_concurrency=2)
    except Exception as error:  # noqa: BLE001 - the client has many kinds of errors and no family
        raise TransferError(
            f"the bucket {settings.PORTAL.bucket.name} does not take {key}: {error}"
        ) from None


def fetch(path: Path) -> None:
    """Bring the file that is named as `path` here, whole and with the content that its name says.

    Raises:
        TransferError: it is not in the bucket, is another than it was, or the bucket does not answer.
    """
    import obstore

    store, key = _store(settings.PORTAL.bucket), _key(path.name)
    with whole(path, overwrite=True) as part:
        try:
            with part.open("wb") as stream:
                for piece in obstore.get(store, key).stream(min_chunk_size=PIECE_BYTES):
                    stream.write(piece)
        except FileNotFoundError:
            raise TransferError(f"{key} is not in the bucket {settings.PORTAL.bucket.name}") from None
        except OSError:  # of the disk here
            raise
        except Exception as error:  # noqa: BLE001
            raise TransferError(
                f"the bucket {settings.PORTAL.bucket.name} does not give {key}: {error}"
            ) from None
        if sha256(part) != path.stem:
            raise TransferError(
                f"{key} in the bucket {settings.PORTAL.bucket.name} is not what was handed in"
            )


def remove(name: str) -> None:
    """Remove what has this name; no matter if it is not there.

    Raises:
        TransferError: the bucket does not answer.
    """
    import obstore

    try:
        obstore.delete(_store(settings.PORTAL.bucket), _key(name))
    except FileNotFoundError:
        return
    except Exception as error:  # noqa: BLE001
        raise TransferError(f"{name} stays in the bucket {settings.PORTAL.bucket.name}: {error}") from None


def _key(name: str) -> str:
    return "/".join(filter(None, (settings.PORTAL.bucket.prefix.strip("/"), name[:2], name)))


@lru_cache(maxsize=4)
def _store(bucket: Bucket) -> Any:
    from obstore.store import S3Store

    place: Any = {"endpoint": bucket.endpoint} if bucket.endpoint else {}
    client: Any = {"allow_http": bucket.endpoint.startswith("http://")}
    return S3Store(
        bucket.name,
        region=bucket.region,
        access_key_id=bucket.key,
        secret_access_key=bucket.secret,
        virtual_hosted_style_request=False,
        client_options=client,
        **place,
    )
