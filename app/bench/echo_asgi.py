"""The measured contract served by FastAPI, as `app.asgi` serves modules."""

from fastapi import FastAPI

from app.asgi import Mount, call_of
from app.bench.echo import dispatcher


def create_asgi_app() -> FastAPI:
    app = FastAPI(openapi_url=None)
    Mount(app, {}).add("/rpc/echo/{name}", "POST", call_of(dispatcher()))
    return app
