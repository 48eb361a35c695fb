"""Security headers on every response."""

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
PERMISSIONS_POLICY = "camera=(), microphone=(), geolocation=(), payment=(), usb=()"
ONE_YEAR_S = 31_536_000


def security_headers(*, uses_tls: bool) -> dict[str, str]:
    headers = {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": PERMISSIONS_POLICY,
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    }
    if uses_tls:
        headers["Strict-Transport-Security"] = f"max-age={ONE_YEAR_S}; includeSubDomains"
    return headers
