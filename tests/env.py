"""The environment of the test run; loaded before Django's settings are read."""

import base64
import os
import tempfile

# Each worker of a parallel run has data of its own; it inherits the variables of the first.
_dir = tempfile.mkdtemp(prefix="spillway-test-")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["SPILLWAY_DATA_DIR"] = _dir
os.environ.setdefault("SPILLWAY_DATA_DIR", _dir)
os.environ.setdefault("SPILLWAY_SECRET_KEY", "test-only-" + "k" * 50)
os.environ.setdefault("SPILLWAY_VAULT_KEYS", "t1:" + base64.b64encode(b"v" * 32).decode())
os.environ.setdefault("SPILLWAY_DIAL_ALLOW", "127.0.0.0/8,::1/128")
os.environ.setdefault("SPILLWAY_STATIC_FINDERS", "true")
