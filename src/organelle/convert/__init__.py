"""Foreign volumes into OME-NGFF: TIFF, MRC, HDF5, N5, other zarr; block by block in bounded memory.

A `Source` reads boxes of one volume, z, y, x, whatever its file says of axes and byte order; everything
after that is the same for all of them.
"""

from organelle.convert.plan import ImportPlan, ImportSettings, plan_import
from organelle.convert.run import ImportReport, import_volume
from organelle.convert.sources import Facts, Source, open_foreign

__all__ = [
    "Facts",
    "ImportPlan",
    "ImportReport",
    "ImportSettings",
    "Source",
    "import_volume",
    "open_foreign",
    "plan_import",
]
