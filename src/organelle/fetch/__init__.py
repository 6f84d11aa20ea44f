"""Get it: what a crop needs, planned with its size before anything moves, and moved whole."""

from organelle.fetch.plan import CropPlan, FetchObject, FetchPlan, plan_fetch
from organelle.fetch.transfer import FetchReport, fetch_data, transfer

__all__ = ["CropPlan", "FetchObject", "FetchPlan", "FetchReport", "fetch_data", "plan_fetch", "transfer"]
