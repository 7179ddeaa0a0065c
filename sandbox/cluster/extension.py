"""What a vendor adds to a cluster of its own: admission and control loops."""

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sandbox.cluster.cluster import Cluster
    from sandbox.cluster.controllers import Manager
    from sandbox.cluster.controllers.config import Config
    from sandbox.cluster.controllers.loop import Controller


class Extension(Protocol):
    """Each method is called once, before anything runs.

    ``replaces`` names the cluster's own loops that are left out because the extension has its own.
    """

    @property
    def replaces(self) -> frozenset[str]:
        """Names of the loops left out."""

    def configure(self, config: "Config") -> "Config":
        """Return what the cluster is made of, given what it would be without the extension."""

    def install(self, cluster: "Cluster") -> None:
        """Hook into the API server, e.g. append to ``cluster.admission.plugins``."""

    def loops(self, manager: "Manager") -> "list[Controller[Any]]":
        """Return control loops to run beside the cluster's own."""
