"""Error pages: they keep the shell, name the cause and carry the request id.

Under `/api/` the same errors are problem details (RFC 9457).
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template import loader
from django.utils.translation import gettext as _


def _problem(request: HttpRequest, status: int, title: str, fix: str = "") -> HttpResponse:
    code = {400: "bad_request", 403: "permission_denied", 404: "not_found"}.get(status, "error")
    body = {
        "type": f"urn:spillway:problem:{code}",
        "title": title,
        "detail": title,
        "status": status,
        "code": code,
        "request_id": getattr(request, "request_id", "-"),
    }
    if fix:
        body["fix"] = fix
    return JsonResponse(body, status=status, content_type="application/problem+json")


def _of_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/v1/")


def _page(request: HttpRequest, status: int, detail: str = "") -> HttpResponse:
    return render(request, f"errors/{status}.html", {"detail": detail}, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _of_api(request):
        return _problem(request, 400, _("The request could not be understood"))
    return _page(request, 400)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    text = _("The form was open for too long. Reload the page and try again.")
    return _problem(request, 403, text) if _of_api(request) else _page(request, 403, text)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _of_api(request):
        return _problem(request, 403, str(exception) or _("You may not see this"))
    return _page(request, 403, str(exception))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _of_api(request):
        fix = _("The addresses are listed under /api/docs/.")
        return _problem(request, 404, _("There is nothing here"), fix)
    return _page(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Needs neither the database nor the session: they may be what failed."""
    if _of_api(request):
        title = _("Something went wrong on our side")
        fix = _("Try again in a moment; if it stays, give the request id to the operator.")
        return _problem(request, 500, title, fix)
    context = {"request_id": getattr(request, "request_id", "-")}
    return HttpResponse(loader.render_to_string("errors/500.html", context), status=500)
