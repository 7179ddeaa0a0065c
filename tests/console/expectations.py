"""Who gets what from every address: the expectations that `test_matrix` compares with."""

from __future__ import annotations

PEOPLE = ("alice", "bob", "vera", "charlie", "nobody")
GOES, FORBIDDEN, ABSENT = "goes", "forbidden", "absent"
# What alice (owner), bob (operator), vera (viewer), charlie (other team) get.
EVERYBODY = (GOES, GOES, GOES, GOES)
MEMBERS = (GOES, GOES, GOES, ABSENT)
OPERATORS = (GOES, GOES, FORBIDDEN, ABSENT)
OWNERS = (GOES, FORBIDDEN, FORBIDDEN, ABSENT)
# Charlie operates in a team of his own.
MAKERS = (GOES, GOES, FORBIDDEN, GOES)
# Charlie owns a team of his own.
PRICERS = (GOES, FORBIDDEN, FORBIDDEN, GOES)
NOBODY = (ABSENT,) * 4

PAGES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            *("GET overview", "GET tasks-tray", "GET search", "GET clusters", "GET nodes"),
            *("GET pods", "GET pods-export", "GET orphans", "GET operations", "GET credentials"),
            *("GET billing-usage", "GET billing-lines", "GET billing-bills", "GET billing-budgets"),
            *("GET billing-prices", "GET billing-preview", "POST billing-preview"),
            *("GET billing-exports", "POST billing-exports", "GET billing-channels"),
            *("GET node-new", "GET credential-new", "GET settings-profile", "GET settings-tokens"),
            *("POST settings-profile", "POST settings-appearance", "POST settings-tokens"),
            # Bulk calls answer for each id; `test_bulk_*` look at them.
            *("POST pods-delete-many", "POST orphans-delete", "POST orphans-adopt"),
            *("GET api-docs", "GET compatibility", "POST compatibility"),
            *("GET components", "GET component-everywhere", "GET components-fleet"),
        ),
        EVERYBODY,
    ),
    **dict.fromkeys(
        (
            *(
                "GET cluster",
                "GET cluster-tab",
                "GET node",
                "GET node-cost",
                "GET node-supply",
                "GET pod",
                "GET pod-tab",
            ),
            *("GET pod-log", "GET pod-log-download", "GET operation", "GET credential"),
            *("GET cluster-components", "GET component", "GET component-tab"),
            *("GET component-gates", "GET component-logs", "GET component-log-lines"),
            *(
                "GET ram-grants",
                "GET component-resources",
                "GET fleet-upgrade",
                "GET operation-log",
            ),
            *("GET billing-bill", "GET billing-budget"),
        ),
        MEMBERS,
    ),
    **dict.fromkeys(
        (
            *("POST cluster-check", "POST cluster-pause", "POST cluster-rotate"),
            *("POST cluster-tab", "POST node-cordon", "POST pod-delete", "POST operation-cancel"),
            *("POST operation-retry", "POST credential-verify", "POST credential-rotate"),
            *("POST credential-resume", "POST component-drift", "GET component-change"),
            *("GET component-step", "POST component-step", "GET component-plan"),
            *("POST component-start", "POST fleet-pause", "POST fleet-resume"),
            *("POST fleet-retry", "POST fleet-cancel", "POST ram-grant", "POST ram-rotate"),
            *("POST billing-budget", "POST billing-budget-lift", "POST billing-budget-test"),
            "POST billing-channel-test",
        ),
        OPERATORS,
    ),
    **dict.fromkeys(
        (
            *("POST cluster-remove", "POST node-remove", "POST credential-remove"),
            *("POST ram-revoke", "POST billing-budget-remove", "POST billing-channel-remove"),
            *("POST billing-price-withdraw", "POST billing-discount-remove"),
        ),
        OWNERS,
    ),
    **dict.fromkeys(
        (
            *("GET cluster-new", "GET cluster-new-context", "GET cluster-new-check"),
            *("GET cluster-new-identity", "GET fleet-new", "POST fleet-new"),
            *("GET billing-budget-new", "POST billing-budget-new", "POST billing-channels"),
        ),
        MAKERS,
    ),
    **dict.fromkeys(
        (
            *("GET billing-price-new", "POST billing-price-new", "POST billing-prices-import"),
            *("GET billing-discount-new", "POST billing-discount-new"),
        ),
        PRICERS,
    ),
    "POST billing-export-remove": (GOES, ABSENT, ABSENT, ABSENT),
    "GET ui-kit": NOBODY,
    "POST settings-token-revoke": (GOES, ABSENT, ABSENT, ABSENT),
}
API: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            *("GET api:me", "PATCH api:me", "GET api:tokens", "POST api:tokens"),
            *("GET api:overview", "GET api:view-ids", "GET api:view-rows", "GET api:schema"),
            *("GET api:clusters-list", "GET api:nodes-list", "GET api:pods-list"),
            *("GET api:operations-list", "GET api:orphans-list", "GET api:credentials-list"),
            *("GET api:clusters-role", "GET api:credentials-policy"),
            *("GET api:providers", "POST api:compatibility"),
            *("GET api:components-list", "GET api:components-detail"),
            *("GET api:installations-list", "GET api:fleet-upgrades-list"),
            *("GET api:budgets-list", "GET api:channels-list", "GET api:exports-list"),
            "POST api:exports-list",
            *("GET api:billing-summary", "GET api:billing-statement", "GET api:billing-series"),
            *("GET api:billing-usage", "GET api:billing-prices", "GET api:billing-discounts"),
            "GET api:billing-reconciliation",
            *("GET api:billing-hints", "GET api:billing-anomalies", "GET api:billing-movers"),
            *("GET api:billing-missing-prices", "POST api:billing-preview"),
            *("GET cost-api:allocation", "GET cost-api:allocation-compute", "GET cost-api:metrics"),
        ),
        EVERYBODY,
    ),
    **dict.fromkeys(
        (
            *("DELETE api:token", "GET api:exports-detail", "GET api:exports-file"),
            "DELETE api:exports-detail",
        ),
        (GOES, ABSENT, ABSENT, ABSENT),
    ),
    **dict.fromkeys(
        (
            *("GET api:clusters-detail", "GET api:nodes-detail", "GET api:pods-detail"),
            *("GET api:pods-timeline", "GET api:pods-logs", "GET api:pods-download"),
            *("GET api:pods-manifest", "GET api:operations-detail", "GET api:orphans-detail"),
            *("GET api:nodes-supply", "GET api:clusters-holdings"),
            *("GET api:credentials-detail", "GET api:credentials-catalogue"),
            *("GET api:installations-detail", "GET api:installations-revisions"),
            *("GET api:installations-drift", "GET api:fleet-upgrades-detail"),
            *("GET api:installations-logs", "GET api:installations-nodes"),
            *("GET api:budgets-detail", "GET api:channels-detail", "GET api:billing-pod"),
            *("GET api:billing-reconciliation-day", "GET api:billing-reconciliation-lines"),
            "GET api:ram-grants",
        ),
        MEMBERS,
    ),
    **dict.fromkeys(
        (
            *("PATCH api:clusters-detail", "POST api:clusters-check", "POST api:clusters-rotate"),
            *("POST api:nodes-list", "POST api:nodes-cordon", "POST api:nodes-uncordon"),
            *("DELETE api:pods-detail", "POST api:operations-cancel", "POST api:operations-retry"),
            *("POST api:orphans-delete", "POST api:orphans-adopt", "POST api:credentials-verify"),
            *("POST api:credentials-rotate", "POST api:credentials-resume"),
            *("POST api:installations-list", "POST api:installations-adopt"),
            *("POST api:installations-upgrade", "POST api:installations-configure"),
            *("POST api:installations-rollback", "POST api:installations-repair"),
            *("POST api:fleet-upgrades-pause", "POST api:fleet-upgrades-resume"),
            *("POST api:fleet-upgrades-cancel", "POST api:fleet-upgrades-retry"),
            "POST api:ram-grants",
            "POST api:ram-grant-rotate",
            *("PUT api:budgets-detail", "POST api:budgets-lift", "POST api:budgets-test"),
            "POST api:channels-test",
        ),
        OPERATORS,
    ),
    **dict.fromkeys(
        (
            *("DELETE api:clusters-detail", "DELETE api:nodes-detail"),
            *(
                "DELETE api:credentials-detail",
                "POST api:installations-uninstall",
                "DELETE api:ram-grant",
                "DELETE api:budgets-detail",
                "POST api:billing-price-withdraw",
                "DELETE api:billing-discount",
                "DELETE api:channels-detail",
            ),
        ),
        OWNERS,
    ),
    **dict.fromkeys(
        (
            *("POST api:clusters-list", "POST api:clusters-parse", "POST api:clusters-check-new"),
            *("POST api:credentials-list", "POST api:fleet-upgrades-list"),
            *("POST api:budgets-list", "POST api:channels-list"),
        ),
        MAKERS,
    ),
    **dict.fromkeys(
        (
            *("POST api:billing-prices", "POST api:billing-prices-import"),
            "POST api:billing-discounts",
        ),
        PRICERS,
    ),
}
# Open to the world: health, languages, texts, sign-in.
OPEN = {"login", "logout", "set_language", "javascript-catalog", "healthz", "readyz"}
