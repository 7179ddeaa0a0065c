"""`python -m console.cli`"""

from console.cli import spillway

spillway()
