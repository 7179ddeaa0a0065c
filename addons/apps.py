from django.apps import AppConfig

from providers import vault


class AddonsConfig(AppConfig):
    name = "addons"

    def ready(self) -> None:
        vault.register("addons.Cluster", "sealed_client_key", "sealed_token")
