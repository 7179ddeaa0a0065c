"""What every resource of the API has in common: rows of a topic, by page and by id."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.db.models import Model
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from console.access import Role, access
from console.api.idempotency import Idempotent
from console.live import views
from console.live.rows import Row
from console.live.topics import TOPICS, Topic


def reader(request: Request) -> User:
    """Who asks; only signed-in people get this far."""
    assert isinstance(request.user, User)
    return request.user


class Resource(Idempotent, GenericViewSet[Any]):
    lookup_value_regex = "[0-9]{1,18}"


class TopicViewSet(Resource):
    """`GET /` pages through what the reader sees under the filters; `GET /<id>/` shows one."""

    topic_name: ClassVar[str]

    @property
    def topic(self) -> Topic:
        return TOPICS[self.topic_name]

    @property
    def filterset_class(self) -> Any:
        """For the OpenAPI document: the filters of the live tables."""
        return self.topic.filterset

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return self.topic.model._default_manager.none()
        params = views.params_of(self.request.query_params)
        return self.topic.whole(self.topic.select(self.request.user, params))

    def filter_queryset(self, queryset: Any) -> Any:
        # Filtered already, and by the same code as the live tables.
        return queryset

    def find(self, request: Request, role: Role = Role.VIEWER, **lookup: Any) -> Any:
        return access(self.topic.model, request.user, role=role, **lookup)

    def row(self, item: Model) -> Row:
        return self.topic.build([item], timezone.now())[0]

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset()) or []
        return self.get_paginated_response(self.topic.build(page, timezone.now()))

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(self.row(self.find(request, pk=pk)))
