"""Every address of the console."""

from __future__ import annotations

from django.contrib.auth import views as auth
from django.urls import URLPattern, URLResolver, include, path
from django.views.i18n import JavaScriptCatalog

from console import health
from console.views import (
    add_node,
    api_docs,
    change,
    clusters,
    compatibility,
    component_logs,
    components,
    connect,
    credentials,
    fleet,
    installation,
    language,
    nodes,
    operations,
    orphans,
    overview,
    pod,
    pods,
    ram,
    search,
    settings,
    sign_in,
    uikit,
)
from console.views.billing.urls import billing_patterns

_COMPONENT = "c/<slug:slug>/components/<slug:name>/"
_CHANGE = f"{_COMPONENT}do/<slug:action>/"
component_patterns = [
    path(_COMPONENT, installation.component, name="component"),
    path(f"{_COMPONENT}drift/", installation.drift, name="component-drift"),
    path(f"{_COMPONENT}gates/now/", installation.gates, name="component-gates"),
    path(f"{_COMPONENT}objects/", installation.resources, name="component-resources"),
    path(f"{_COMPONENT}logs/now/", component_logs.pane, name="component-logs"),
    path(f"{_COMPONENT}logs/lines/", component_logs.lines, name="component-log-lines"),
    path(f"{_COMPONENT}<slug:tab>/", installation.component, name="component-tab"),
    path(_CHANGE, change.begin, name="component-change"),
    path(f"{_CHANGE}start/", change.start, name="component-start"),
    path(f"{_CHANGE}<slug:step>/", change.step, name="component-step"),
    path(f"{_CHANGE}<slug:step>/plan/", change.plan, name="component-plan"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", overview.page, name="overview"),
    path("login/", sign_in.SignIn.as_view(), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("language/", language.set_language, name="set_language"),
    path("jsi18n/", JavaScriptCatalog.as_view(packages=[]), name="javascript-catalog"),
    path("search/", search.search, name="search"),
    path("tasks/", operations.tray, name="tasks-tray"),
    path("clusters/", clusters.clusters, name="clusters"),
    path("clusters/new/", connect.paste, name="cluster-new"),
    path("clusters/new/context/", connect.choose, name="cluster-new-context"),
    path("clusters/new/check/", connect.test, name="cluster-new-check"),
    path("clusters/new/identity/", connect.identify, name="cluster-new-identity"),
    path("c/<slug:slug>/", clusters.cluster, name="cluster"),
    path("c/<slug:slug>/check/", clusters.check, name="cluster-check"),
    path("c/<slug:slug>/pause/", clusters.pause, name="cluster-pause"),
    path("c/<slug:slug>/rotate/", clusters.rotate, name="cluster-rotate"),
    path("c/<slug:slug>/remove/", clusters.remove, name="cluster-remove"),
    path("c/<slug:slug>/components/", components.in_cluster, name="cluster-components"),
    path("c/<slug:slug>/<slug:tab>/", clusters.cluster, name="cluster-tab"),
    path("components/", components.everywhere, name="components"),
    path("components/fleet/", fleet.matrix, name="components-fleet"),
    path("components/fleet/new/", fleet.new, name="fleet-new"),
    path("components/<slug:name>/", components.component, name="component-everywhere"),
    *component_patterns,
    path("nodes/", nodes.nodes, name="nodes"),
    path("nodes/new/", add_node.new, name="node-new"),
    path("nodes/<int:pk>/", nodes.node, name="node"),
    path("nodes/<int:pk>/cost/", nodes.cost, name="node-cost"),
    path("nodes/<int:pk>/supply/", nodes.supply, name="node-supply"),
    path("nodes/<int:pk>/cordon/", nodes.cordon, name="node-cordon"),
    path("nodes/<int:pk>/remove/", nodes.remove, name="node-remove"),
    path("pods/", pods.pods, name="pods"),
    path("pods/export/", pods.export, name="pods-export"),
    path("pods/delete/", pods.delete_many, name="pods-delete-many"),
    path("pods/<int:pk>/", pod.pod, name="pod"),
    path("pods/<int:pk>/delete/", pod.delete, name="pod-delete"),
    path("pods/<int:pk>/log/", pod.log, name="pod-log"),
    path("pods/<int:pk>/log/download/", pod.log_download, name="pod-log-download"),
    path("pods/<int:pk>/<slug:tab>/", pod.pod, name="pod-tab"),
    path("compatibility/", compatibility.page, name="compatibility"),
    path("orphans/", orphans.orphans, name="orphans"),
    path("orphans/delete/", orphans.delete, name="orphans-delete"),
    path("orphans/adopt/", orphans.adopt, name="orphans-adopt"),
    *billing_patterns,
    path("", include("console.api.cost_urls")),
    path("operations/", operations.operations, name="operations"),
    path("operations/<int:pk>/", operations.operation, name="operation"),
    path("operations/<int:pk>/log/", operations.log, name="operation-log"),
    path("operations/<int:pk>/cancel/", operations.cancel, name="operation-cancel"),
    path("operations/<int:pk>/retry/", operations.retry, name="operation-retry"),
    path("fleet-upgrades/<int:pk>/", fleet.upgrade, name="fleet-upgrade"),
    *(
        path(f"fleet-upgrades/<int:pk>/{what}/", fleet.act, {"what": what}, name=f"fleet-{what}")
        for what in ("pause", "resume", "retry", "cancel")
    ),
    path("credentials/", credentials.credentials, name="credentials"),
    path("credentials/new/", credentials.new, name="credential-new"),
    path("credentials/<int:pk>/", credentials.credential, name="credential"),
    path("credentials/<int:pk>/verify/", credentials.verify, name="credential-verify"),
    path("credentials/<int:pk>/rotate/", credentials.rotate, name="credential-rotate"),
    path("credentials/<int:pk>/resume/", credentials.resume, name="credential-resume"),
    path("credentials/<int:pk>/remove/", credentials.remove, name="credential-remove"),
    path("credentials/<int:pk>/grants/", ram.grants, name="ram-grants"),
    path("credentials/<int:pk>/grants/new/", ram.grant, name="ram-grant"),
    path("credentials/<int:pk>/grants/<slug:addon>/rotate/", ram.rotate, name="ram-rotate"),
    path("credentials/<int:pk>/grants/<slug:addon>/revoke/", ram.revoke, name="ram-revoke"),
    path("settings/", settings.profile, name="settings-profile"),
    path("settings/appearance/", settings.appearance, name="settings-appearance"),
    path("settings/tokens/", settings.tokens_page, name="settings-tokens"),
    path("settings/tokens/<int:pk>/", settings.token_revoke, name="settings-token-revoke"),
    path("api/docs/", api_docs.page, name="api-docs"),
    path("api/v1/", include("console.api.urls")),
    path("ui-kit/", uikit.page, name="ui-kit"),
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
]

handler400 = "console.views.errors.bad_request"
handler403 = "console.views.errors.forbidden"
handler404 = "console.views.errors.not_found"
handler500 = "console.views.errors.server_error"
