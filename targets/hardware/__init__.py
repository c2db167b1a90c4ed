"""Real boards as one more way to measure, for every family: a folder goes there, runs, and a JSON record comes back.

`ways.py` names the way there, `ssh.py` and `command.py` are the two ways, `record.py` is what comes back, `archive.py` what
keeps a board from writing where it should not, `bundle.py` and `observe.py` what a family adds.
"""
