"""What exists: datasets, training and test crops, where their volumes lie, and how crops are split.

The CellMap Segmentation Challenge is built in; any other challenge is a folder with three tables.
Nothing here opens a volume, and only `refresh` a network connection, when it is called.
"""

from organelle.catalog.counts import AnnotationCounts, count_annotations
from organelle.catalog.filters import CropFilter
from organelle.catalog.groups import crop_groups
from organelle.catalog.layout import (
    PUBLIC_S3,
    em_folder,
    em_link,
    em_path,
    label_path,
    labels_folder,
    prediction_path,
    processed_path,
    public_em_url,
)
from organelle.catalog.listing import (
    ClassEntry,
    DatasetEntry,
    describe_class,
    list_classes,
    list_crops,
    list_datasets,
)
from organelle.catalog.records import Catalog, Crop, Dataset, Region
from organelle.catalog.split import Datasplit, make_datasplit, make_folds
from organelle.catalog.split_csv import read_datasplit, write_datasplit
from organelle.catalog.split_places import missing_stores, split_place
from organelle.catalog.split_summary import (
    Holding,
    class_holdings,
    dataset_holdings,
    holding_of,
    split_notes,
)
from organelle.catalog.tables import load_catalog, write_tables

__all__ = [
    "PUBLIC_S3",
    "AnnotationCounts",
    "Catalog",
    "ClassEntry",
    "Crop",
    "CropFilter",
    "Dataset",
    "DatasetEntry",
    "Datasplit",
    "Holding",
    "Region",
    "class_holdings",
    "count_annotations",
    "crop_groups",
    "dataset_holdings",
    "describe_class",
    "em_folder",
    "em_link",
    "em_path",
    "holding_of",
    "label_path",
    "labels_folder",
    "list_classes",
    "list_crops",
    "list_datasets",
    "load_catalog",
    "make_datasplit",
    "make_folds",
    "missing_stores",
    "prediction_path",
    "processed_path",
    "public_em_url",
    "read_datasplit",
    "split_notes",
    "split_place",
    "write_datasplit",
    "write_tables",
]
