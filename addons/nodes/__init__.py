"""Virtual nodes. (Division of work now: the lead writes install.py and ../operations.py;
F1 writes spec.py, heartbeat.py and the mirror of the node row. Read them before you write.)"""
