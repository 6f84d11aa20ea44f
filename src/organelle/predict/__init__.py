"""Apply a network: probabilities of every voxel, on the fixed patch grid, written as OME-NGFF.

`plan_predict` lists the work, `predict` does it; `predict_region` is the same on plain arrays. Importing
this room loads no torch.
"""

from organelle.predict.em import ModelEM
from organelle.predict.forward import mirror_axes, network_forward
from organelle.predict.plan import CropPlan, PredictPlan, plan_predict
from organelle.predict.planes import Planes, View, predict_views, views_of
from organelle.predict.region import Forward, ReadEM, predict_region, predict_slabs, to_uint8
from organelle.predict.run import PROBABILITY_SCALE, PredictReport, predict
from organelle.predict.settings import PredictSettings

__all__ = [
    "PROBABILITY_SCALE",
    "CropPlan",
    "Forward",
    "ModelEM",
    "Planes",
    "PredictPlan",
    "PredictReport",
    "PredictSettings",
    "ReadEM",
    "View",
    "mirror_axes",
    "network_forward",
    "plan_predict",
    "predict",
    "predict_region",
    "predict_slabs",
    "predict_views",
    "to_uint8",
    "views_of",
]
