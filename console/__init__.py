"""The room that talks to people: pages, REST API, websocket, access, settings."""

from console.celery import app as celery_app

__all__ = ["celery_app"]
