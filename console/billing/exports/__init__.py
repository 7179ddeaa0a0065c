"""Files of usage made in the background: `ask` queues one, `make` writes it, REST hands it out.

`usage` is a row per usage line in our own columns, `focus` the same lines as FOCUS 1.2 has them.
"""
