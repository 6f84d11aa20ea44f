"""Apply a network: probabilities of every voxel, on the fixed patch grid, written as OME-NGFF.

`plan_predict` lists the work, `predict` does it; `predict_region` is the same on plain arrays. Importing
this room loads no torch.
"""

from organelle.predict.em import ModelEM, PatchEM
from organelle.predict.estimate import Estimate, estimate, measure_patch
from organelle.predict.forward import mirror_axes, network_forward
from organelle.predict.opening import OpenedForward, open_forward
from organelle.predict.plan import CropPlan, PredictPlan, plan_predict
from organelle.predict.planes import Planes, View, predict_views, views_of
from organelle.predict.region import Forward, ReadBoxes, ReadPatches, predict_region, predict_slabs, to_uint8
from organelle.predict.run import PredictReport, predict
from organelle.predict.settings import PredictSettings
from organelle.predict.stored import PROBABILITY_SCALE

__all__ = [
    "PROBABILITY_SCALE",
    "CropPlan",
    "Estimate",
    "Forward",
    "ModelEM",
    "OpenedForward",
    "PatchEM",
    "Planes",
    "PredictPlan",
    "PredictReport",
    "PredictSettings",
    "ReadBoxes",
    "ReadPatches",
    "View",
    "estimate",
    "measure_patch",
    "mirror_axes",
    "network_forward",
    "open_forward",
    "plan_predict",
    "predict",
    "predict_region",
    "predict_slabs",
    "predict_views",
    "to_uint8",
    "views_of",
]
