"""Get it: what a crop needs, planned with its size before anything moves, and moved whole."""

from organelle.fetch.archive import ArchivePlan, plan_archive
from organelle.fetch.bounds import CropBound, bound_fetch
from organelle.fetch.moving import FetchReport, fetch_data, require_room, transfer
from organelle.fetch.padding import Padding, read_padding
from organelle.fetch.plan import CropPlan, FetchPlan, plan_fetch
from organelle.fetch.speed import Speed, speedtest
from organelle.fetch.survey import FetchObject
from organelle.stores import Retry, Source, open_source

__all__ = [
    "ArchivePlan",
    "CropBound",
    "CropPlan",
    "FetchObject",
    "FetchPlan",
    "FetchReport",
    "Padding",
    "Retry",
    "Source",
    "Speed",
    "bound_fetch",
    "fetch_data",
    "open_source",
    "plan_archive",
    "plan_fetch",
    "read_padding",
    "require_room",
    "speedtest",
    "transfer",
]
