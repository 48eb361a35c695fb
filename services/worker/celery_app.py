"""The Celery worker (and beat): `celery -A services.worker.celery_app worker`."""

from app.composition import create_worker

app = create_worker()
