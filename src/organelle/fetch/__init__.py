"""Get it: what a crop needs, planned with its size before anything moves, and moved whole."""

from organelle.fetch.moving import FetchReport, fetch_data, transfer
from organelle.fetch.plan import CropPlan, FetchObject, FetchPlan, plan_fetch

__all__ = ["CropPlan", "FetchObject", "FetchPlan", "FetchReport", "fetch_data", "plan_fetch", "transfer"]
