"""What a network is to say about a patch: masks, distances, boundaries, centres, affinities, and own forms.

Arrays in, arrays out. Each value comes with whether it is known: what lies outside of the patch, or was not
annotated, could be anything, and a value that would change with it is unknown.
"""

from organelle.sampling.targets.affinity import affinities
from organelle.sampling.targets.boundary import boundary
from organelle.sampling.targets.build import fill_targets, targets_of
from organelle.sampling.targets.centre import centre
from organelle.sampling.targets.distance import signed_distance
from organelle.sampling.targets.mask import mask
from organelle.sampling.targets.records import Target, TargetInput, TargetValues

__all__ = [
    "Target",
    "TargetInput",
    "TargetValues",
    "affinities",
    "boundary",
    "centre",
    "fill_targets",
    "mask",
    "signed_distance",
    "targets_of",
]
