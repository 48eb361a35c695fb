"""Rate limits at the gateway, counted in the broker's Valkey so that workers share them.

While it is away each worker counts in its own memory. `limits` is used itself rather than through a Flask
extension: a limit belongs to a path, also where the gateway only passes the request on.
"""

import logging
import time
from dataclasses import dataclass

from flask import Flask, Response, g, request
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import FixedWindowRateLimiter

from app.kernel import context
from app.kernel.contract import TooManyRequests

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rule:
    """`limit` is in the form of the `limits` library, for requests of `methods` below `prefix`."""

    prefix: str
    limit: str
    methods: frozenset[str] = frozenset()


RULES = (
    Rule("/api/v1/auth/", "30/minute", frozenset({"POST"})),
    Rule("/login", "30/minute", frozenset({"POST"})),
    Rule("/register", "20/minute", frozenset({"POST"})),
    Rule("/reset", "20/minute", frozenset({"POST"})),
    Rule("/api/v1/search", "240/minute"),
    Rule("/search", "240/minute"),
    Rule("/api/v1/me/export", "10/minute"),
    Rule("/api/v1/recommendations", "300/minute"),
    Rule("/api/v1/playlists/weekly", "20/minute", frozenset({"POST"})),
    Rule("/api/v1/playlists/library", "20/minute", frozenset({"PUT"})),
    Rule("/account/library", "20/minute", frozenset({"POST"})),
    Rule("/", "1200/minute"),
)
UNLIMITED = ("/static/", "/healthz", "/readyz", "/metrics", "/rpc/", "/cover/")


class Limits:
    def __init__(self, storage_url: str) -> None:
        self.items: list[tuple[Rule, RateLimitItem]] = [(rule, parse(rule.limit)) for rule in RULES]
        self.shared = FixedWindowRateLimiter(storage_from_string(storage_url))
        self.own = FixedWindowRateLimiter(MemoryStorage())
        self._own_until = 0.0

    def check(self) -> None:
        """Count this request. Raises TooManyRequests."""
        rule, item = self._item()
        who = str(context.actor().listener_id or request.remote_addr)
        is_allowed, reset_at, remaining = self._hit(item, rule.prefix, who)
        g.rate_limit = (item.amount, remaining, reset_at)
        if not is_allowed:
            raise TooManyRequests(retry_after_s=max(1, int(reset_at - time.time())))

    def _item(self) -> tuple[Rule, RateLimitItem]:
        for rule, item in self.items:
            if request.path.startswith(rule.prefix) and (not rule.methods or request.method in rule.methods):
                return rule, item
        raise AssertionError("the last rule matches everything")

    def _hit(self, item: RateLimitItem, *names: str) -> tuple[bool, float, int]:
        if time.monotonic() >= self._own_until:
            try:
                return self._hit_in(self.shared, item, *names)
            except Exception as error:  # the storages raise the errors of whatever client they use
                log.warning("rate limits count in memory", extra={"reason": str(error)})
                self._own_until = time.monotonic() + 5
        return self._hit_in(self.own, item, *names)

    @staticmethod
    def _hit_in(limiter: FixedWindowRateLimiter, item: RateLimitItem, *names: str) -> tuple[bool, float, int]:
        is_allowed = limiter.hit(item, *names)
        stats = limiter.get_window_stats(item, *names)
        return is_allowed, stats.reset_time, stats.remaining


def install_limits(app: Flask, storage_url: str) -> None:
    limits = Limits(storage_url)

    @app.before_request
    def limit() -> None:
        if not request.path.startswith(UNLIMITED):
            limits.check()

    @app.after_request
    def tell(response: Response) -> Response:
        if "rate_limit" in g:
            amount, remaining, reset_at = g.rate_limit
            response.headers["X-RateLimit-Limit"] = str(amount)
            response.headers["X-RateLimit-Remaining"] = str(remaining)
            response.headers["X-RateLimit-Reset-In"] = str(max(1, int(reset_at - time.time())))
        return response
