"""Swagger UI inside the shell, from vendored files."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
@login_required
def page(request: HttpRequest) -> HttpResponse:
    curl = f'curl -H "Authorization: Bearer $TOKEN" {settings.PUBLIC_URL}/api/v1/pods/'
    return render(request, "pages/api_docs.html", {"curl": curl})
