"""`/api/v1/`"""

from __future__ import annotations

from django.urls import path
from drf_spectacular.views import SpectacularAPIView
from rest_framework.routers import SimpleRouter

from console.api import fleet, live, overview, people
from console.api.billing_urls import billing_patterns
from console.api.budgets import Budgets, Channels
from console.api.compatibility import Compatibility
from console.api.components import Components, Installations
from console.api.credentials import Credentials
from console.api.exports import Exports
from console.api.fleet_upgrades import FleetUpgrades
from console.api.nodes import Nodes
from console.api.pods import Pods
from console.api.providers import Providers
from console.api.ram import RamGrantOne, RamGrantRotation, RamGrants

app_name = "api"
router = SimpleRouter()
router.register("clusters", fleet.Clusters, "clusters")
router.register("components", Components, "components")
router.register("installations", Installations, "installations")
router.register("fleet-upgrades", FleetUpgrades, "fleet-upgrades")
router.register("nodes", Nodes, "nodes")
router.register("pods", Pods, "pods")
router.register("operations", fleet.Operations, "operations")
router.register("orphans", fleet.Orphans, "orphans")
router.register("credentials", Credentials, "credentials")
router.register("billing/budgets", Budgets, "budgets")
router.register("billing/channels", Channels, "channels")
router.register("billing/exports", Exports, "exports")

urlpatterns = [
    path("me/", people.Me.as_view(), name="me"),
    path("tokens/", people.Tokens.as_view(), name="tokens"),
    path("tokens/<int:pk>/", people.Token.as_view(), name="token"),
    path("compatibility/", Compatibility.as_view(), name="compatibility"),
    path("overview/", overview.Overview.as_view(), name="overview"),
    path("providers/", Providers.as_view(), name="providers"),
    path("views/<slug:topic>/ids/", live.Ids.as_view(), name="view-ids"),
    path("views/<slug:topic>/rows/", live.Rows.as_view(), name="view-rows"),
    path("schema/", SpectacularAPIView.as_view(api_version="1"), name="schema"),
    path("credentials/<int:pk>/ram-grants/", RamGrants.as_view(), name="ram-grants"),
    path("credentials/<int:pk>/ram-grants/<slug:addon>/", RamGrantOne.as_view(), name="ram-grant"),
    path(
        "credentials/<int:pk>/ram-grants/<slug:addon>/rotate/",
        RamGrantRotation.as_view(),
        name="ram-grant-rotate",
    ),
    *billing_patterns,
    *router.urls,
]
