"""The process `recommendations` without Flask, for uvicorn: `server = "fastapi"` in the topology."""

from app.asgi import create_asgi_app

app = create_asgi_app("recommendations")
