"""The ASGI application: pages and REST by Django, the live stream by Channels."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")

from django.core.asgi import get_asgi_application

# Django is set up by this call; what follows imports models.
_http = get_asgi_application()

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path

from console.checks import refuse_bad_setup
from console.live.consumer import StreamConsumer
from console.live.origin import SameOrigin

refuse_bad_setup()

_socket = URLRouter([path("ws/stream/", StreamConsumer.as_asgi())])
application = ProtocolTypeRouter(
    {"http": _http, "websocket": SameOrigin(AuthMiddlewareStack(_socket))}
)
