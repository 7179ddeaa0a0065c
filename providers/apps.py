from django.apps import AppConfig
from django.core import checks


class ProvidersConfig(AppConfig):
    name = "providers"

    def ready(self) -> None:
        from providers.checks import vault_keys

        checks.register(vault_keys, checks.Tags.security)
