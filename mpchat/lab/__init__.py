"""The course: ten experiments on processes and queues. `mpchat lab e4` runs one; README says how, and for whom.

An experiment is a folder (e04_slow_consumer) of six parts over this small frame:

    run.py        run(lab): causes the event, and measures
    check.py      pure: what is asked before, what is claimed of what was measured, and the pictures of it
    words.py      pure: its sentences, in each language
    solution.py   the exercise, with its solution between markers; students get it cut (cutting.py)
    trial.py      trial(judge): tries an exercise from outside, in processes of its own
    handout.*.md  what the student reads, in each language

Only cli.py imports this package.
"""
