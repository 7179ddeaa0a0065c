from django.apps import AppConfig
from django.core import checks


class ConsoleConfig(AppConfig):
    name = "console"

    def ready(self) -> None:
        from console.checks import secret_key

        checks.register(secret_key, checks.Tags.security)
