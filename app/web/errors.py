"""A failure as a page: what happened in plain words, and where to go on."""

from flask import Response, g, make_response, redirect, render_template, request, url_for

from app.kernel import context
from app.kernel.contract import DomainError
from app.kernel.locales import N_, said
from app.kernel.locales import gettext as _

TITLES = {
    400: N_("That request makes no sense here"),
    403: N_("This door is closed"),
    404: N_("Nothing is playing here"),
    405: N_("Not that way"),
    409: N_("That does not fit any more"),
    413: N_("That is too large"),
    422: N_("Something in there is not right"),
    429: N_("A little slower, please"),
    503: N_("A part of Segue is away"),
    504: N_("A part of Segue is slow"),
}


def error_page(error: DomainError) -> Response:
    """Return the page for an error; whoever must sign in first is sent there, and back afterwards."""
    is_anonymous = context.actor().kind == "anonymous"
    if error.status == 401 and is_anonymous and not request.headers.get("Authorization"):
        target = request.full_path.rstrip("?") if request.method == "GET" else ""
        answer = redirect(url_for("web.login", next=target or None), 303)
        return make_response(answer)
    title = _(
        TITLES.get(error.status) or (N_("That went wrong") if error.status < 500 else N_("Something broke on our side"))
    )
    page = render_template(
        "web/error.html", says=said(error), status=error.status, title=title, request_id=g.get("request_id", "")
    )
    response = make_response(page, error.status)
    if error.status in {429, 503}:
        response.headers["Retry-After"] = str(int(error.details.get("retry_after_s", 5)))
    return response
