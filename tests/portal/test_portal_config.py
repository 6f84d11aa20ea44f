"""One page of settings, and what the environment says instead."""

from __future__ import annotations

import pytest

from organelle.errors import SettingsError
from organelle.portal.config import load_config


def test_the_environment_wins(tmp_path):
    (tmp_path / "portal.toml").write_text('title = "Ours"\nworkers = 3\n[limits]\nper_day = 7\n')
    config = load_config(
        tmp_path,
        {"CSC_PORTAL_WORKERS": "0", "CSC_PORTAL_LIMITS__TOTAL": "9", "CSC_PORTAL_MAIL__HOST": "mail.example"},
    )
    assert (config.title, config.workers, config.limits.per_day, config.limits.total) == ("Ours", 0, 7, 9)
    assert config.mail.host == "mail.example"


def test_an_unknown_key_names_the_nearest(tmp_path):
    (tmp_path / "portal.toml").write_text("[limits]\nper_dai = 7\n")
    with pytest.raises(SettingsError, match="per_day"):
        load_config(tmp_path, {})


def test_an_unknown_variable_is_not_passed_over():
    with pytest.raises(SettingsError, match="wokers"):
        load_config(None, {"CSC_PORTAL_WOKERS": "2"})


def test_a_metric_that_nobody_knows(tmp_path):
    with pytest.raises(SettingsError, match="1999"):
        load_config(None, {"CSC_PORTAL_METRIC": "1999"})


def test_a_value_where_a_table_should_be(tmp_path):
    (tmp_path / "portal.toml").write_text("mail = 5\n")
    with pytest.raises(SettingsError, match="mail is one value"):
        load_config(tmp_path, {"CSC_PORTAL_MAIL__PASSWORD": "x"})
