from __future__ import annotations

import pytest

from organelle.catalog import load_catalog
from organelle.errors import CropNotFound, NotFound
from organelle.visualize import Choice, public_links


def test_every_dataset_and_training_crop_has_a_link():
    links = public_links()
    assert len([link for link in links if link.crop is None]) == 22
    assert {link.crop for link in links} - {None} == set(load_catalog().train_crops)
    assert len(links) == 22 + 289
    assert len({link.url for link in links}) == len(links)


def test_links_lead_to_the_states_in_the_public_bucket():
    """The pattern is that of the bucket's documentation."""
    (link,) = public_links(Choice(crops=[247]))
    assert link.url == (
        "https://neuroglancer-demo.appspot.com#!s3://janelia-cosem-datasets/jrc_cos7-1a/neuroglancer/"
        "viewer_states/neuroglancer-jrc_cos7-1a-crop247.json"
    )
    whole = public_links(Choice(datasets=["jrc_cos7-1a"]))[0]
    assert (whole.dataset, whole.crop) == ("jrc_cos7-1a", None)
    assert whole.url.endswith("viewer_states/neuroglancer-jrc_cos7-1a.json")


def test_a_choice_leaves_out_the_rest():
    links = public_links(Choice(datasets=["jrc_hela-2"], classes=["yolk", "mito"]))
    catalog = load_catalog()
    assert links
    for link in links:
        assert link.dataset == "jrc_hela-2"
        assert "mito" in catalog.crop(link.crop).classes


def test_test_crops_have_no_public_link():
    with pytest.raises(NotFound, match="training crops"):
        public_links(Choice(crops="test"))
    with pytest.raises(CropNotFound):
        public_links(Choice(crops=[2]))
