"""Choose: the parameters of recipes that score best on crops held out for validation.

`tune` searches, class by class; `rewrite` puts what it found into the text of an experiment's file,
`write_scores` into a table, `draw_search` into a picture. Importing this room loads nothing heavy.
"""

from organelle.tune.gains import Change, Tuned
from organelle.tune.picture import draw_search
from organelle.tune.report import Left, TuneReport, write_scores
from organelle.tune.run import TuneChoices, tune
from organelle.tune.search import choose, search
from organelle.tune.space import Parameter, Space, space_of
from organelle.tune.toml import TunedSection, rewrite
from organelle.tune.trials import Trial

__all__ = [
    "Change",
    "Left",
    "Parameter",
    "Space",
    "Trial",
    "TuneChoices",
    "TuneReport",
    "Tuned",
    "TunedSection",
    "choose",
    "draw_search",
    "rewrite",
    "search",
    "space_of",
    "tune",
    "write_scores",
]
