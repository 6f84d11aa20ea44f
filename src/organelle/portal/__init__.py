"""The challenge's own house: explorer, submissions, queue, leaderboard and news, as a Django project.

Its rooms, from the ground up; each knows only those before it::

    challenge     what the challenge is: phases, rules, limits, the audit log
    accounts      people, teams, tokens
    explorer      datasets, crops and classes to look at
    submissions   what is handed in: uploads, checks, states
    scoring       jobs, tasks and workers; results
    board         what of the results may be seen: leaderboards
    news          posts, feeds, mail
    api           all of it for programs

`config` is the one page of settings, `settings` what Django makes of it, `start` the command `csc portal`.
"""

from organelle.portal.start import portal

__all__ = ["portal"]
