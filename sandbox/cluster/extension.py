"""What a vendor adds to a cluster of its own: admission and control loops."""

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sandbox.cluster.cluster import Cluster
    from sandbox.cluster.controllers import Manager
    from sandbox.cluster.controllers.loop import Controller


class Extension(Protocol):
    """Both methods are called once, before anything runs."""

    def install(self, cluster: "Cluster") -> None:
        """Hook into the API server, e.g. append to ``cluster.admission.plugins``."""

    def loops(self, manager: "Manager") -> "list[Controller[Any]]":
        """Return control loops to run beside the cluster's own."""
