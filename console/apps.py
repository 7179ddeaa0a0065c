from django.apps import AppConfig
from django.core import checks


class ConsoleConfig(AppConfig):
    name = "console"

    def ready(self) -> None:
        # Tasks are sent by the app that is made first.
        import console.celery  # noqa: F401
        from addons.components import vendor_prices
        from console.billing import rates
        from console.checks import secret_key
        from providers import vault

        vault.register("console.Channel", "sealed_address", "sealed_secret")
        vendor_prices.use(rates.of_vendors)
        checks.register(secret_key, checks.Tags.security)
