"""Who is this, and may they: listeners, credentials, sessions, API tokens, roles, signing keys, invitations."""

from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

from msgspec import Struct

from app.contracts.events import FeedPage
from app.kernel.contract import Access, DomainError, command, query

Scope = Literal["read", "write", "scrobble"]
ALL_SCOPES: tuple[Scope, ...] = ("read", "write", "scrobble")


class Listener(Struct, frozen=True):
    listener_id: UUID
    name: str
    is_admin: bool
    is_disabled: bool
    has_password: bool
    has_second_factor: bool
    created_at: datetime


class TokenPair(Struct, frozen=True):
    """A signed-in session: `access_token` lives `expires_in` seconds, `refresh_token` is used once."""

    access_token: str
    refresh_token: str
    expires_in: int


class AccessGrant(Struct, frozen=True):
    access_token: str
    expires_in: int


class ApiToken(Struct, frozen=True):
    token_id: UUID
    name: str
    scopes: list[Scope]
    created_at: datetime
    last_used_at: datetime | None


class IssuedToken(Struct, frozen=True):
    """A new API token; `token` is shown this once and stored only as a hash."""

    token: str
    api_token: ApiToken


class Session(Struct, frozen=True):
    session_id: UUID
    client: str
    created_at: datetime
    last_used_at: datetime
    is_current: bool


class Invitation(Struct, frozen=True):
    code: str
    is_admin: bool
    expires_at: datetime


class Jwk(Struct, frozen=True):
    """A public signing key (RFC 8037: kty OKP, crv Ed25519)."""

    kid: str
    x: str
    kty: str = "OKP"
    crv: str = "Ed25519"
    alg: str = "EdDSA"
    use: str = "sig"


class JwkSet(Struct, frozen=True):
    keys: list[Jwk]


class AuditEntry(Struct, frozen=True):
    at: datetime
    actor: str
    act: str
    subject: str
    details: dict[str, Any] = {}


class Preferences(Struct, frozen=True):
    timezone: str = "UTC"
    is_public: bool = False
    theme: Literal["auto", "light", "dark"] = "auto"
    language: Literal["auto", "en", "de"] = "auto"  # auto: as the browser asks for


class ScrobbleSession(Struct, frozen=True):
    """A session of the Audioscrobbler protocols: its `key` stands for an API token with the scope scrobble."""

    key: str
    name: str
    listener_id: UUID


class TokenRequest(Struct, frozen=True):
    """A request of a player or application, taken or refused, and why; nobody's where its token is unknown."""

    at: datetime
    listener_id: UUID | None
    token_id: UUID | None
    protocol: str  # "listenbrainz", "audioscrobbler 2.0", "audioscrobbler 1.2"
    what: str
    client: str
    app: str  # the key that an application of the Audioscrobbler protocol names itself by
    address: str
    is_accepted: bool
    outcome: str


class SecondFactor(Struct, frozen=True):
    """A TOTP secret to enrol; `recovery_codes` are shown this once."""

    secret: str
    uri: str
    recovery_codes: list[str]


class ListenerErased(Struct, frozen=True, tag="listener_erased"):
    """A person is deleted: every module forgets them."""

    listener_id: UUID


class Erasure(Struct, frozen=True):
    """How far an erasure is: complete when no module waits. A module that is away waits."""

    is_complete: bool
    waiting: list[str]


class InvalidCredentials(DomainError):
    """The name and password do not match."""

    code, status = "accounts.invalid_credentials", 401


class SecondFactorRequired(DomainError):
    """This account asks for a code from an authenticator as well."""

    code, status = "accounts.second_factor_required", 401


class InvalidToken(DomainError):
    """This token is unknown, used up, expired or revoked."""

    code, status = "accounts.invalid_token", 401


class AuthorizationPending(DomainError):
    """The person has not said yes to this application yet."""

    code, status = "accounts.authorization_pending", 403


class AuthorizationExpired(DomainError):
    """This request of an application is older than an hour; it begins anew."""

    code, status = "accounts.authorization_expired", 403


class LoginThrottled(DomainError):
    """Too many failed attempts; wait before trying again."""

    code, status = "accounts.login_throttled", 429


class NameTaken(DomainError):
    """Somebody has this name already."""

    code, status = "accounts.name_taken", 409


class InvalidName(DomainError):
    """A name has 1 to 64 letters, digits, and - _ . inside."""

    code, status = "accounts.invalid_name", 422


class WeakPassword(DomainError):
    """The password is too short, too common, or holds the name."""

    code, status = "accounts.weak_password", 422


class RegistrationClosed(DomainError):
    """Registration here needs an invitation."""

    code, status = "accounts.registration_closed", 403


class ListenerNotFound(DomainError):
    """No listener of this name."""

    code, status = "accounts.listener_not_found", 404


class LastAdmin(DomainError):
    """The last administrator can't be removed."""

    code, status = "accounts.last_admin", 409


class Accounts(Protocol):
    @command(access=Access.PUBLIC)
    def register(self, name: str, password: str, invitation: str = "") -> Listener:
        """Create one's own account, by open registration or an invitation's code."""

    @command(access=Access.PUBLIC)
    def login(self, name: str, password: str, otp: str = "", client: str = "", address: str = "") -> TokenPair:
        """Start a session. Raises InvalidCredentials, SecondFactorRequired, LoginThrottled."""

    @command(access=Access.PUBLIC)
    def refresh(self, refresh_token: str) -> TokenPair:
        """Rotate a refresh token. A token used twice (after 10 s grace) revokes its session: InvalidToken."""

    @command(access=Access.PUBLIC, idempotent=True)
    def logout(self, refresh_token: str = "", everywhere: bool = False) -> None:
        """End the actor's session (or the refresh token's), or all of the actor's sessions."""

    @query(access=Access.PUBLIC)
    def exchange_token(self, api_token: str) -> AccessGrant:
        """Give a short access token for an API token. Raises InvalidToken."""

    @query(access=Access.PUBLIC)
    def sign_in_scrobbler(
        self, name: str, proof: str, scheme: Literal["token", "mobile", "handshake"], salt: str = ""
    ) -> ScrobbleSession:
        """Open a session of the Audioscrobbler protocols with an API token as password. Raises InvalidCredentials.

        `proof` is the token itself, md5(name + md5(token)) (mobile), or md5(md5(token) + salt) (handshake).
        """

    @query(access=Access.PUBLIC)
    def exchange_scrobble_session(self, key: str) -> AccessGrant:
        """Give a short access token for such a session. Raises InvalidToken."""

    @query(access=Access.PUBLIC)
    def start_authorization(self, app: str) -> str:
        """A token with which an application asks a person for consent; nothing is stored."""

    @command(access=Access.OWNER, idempotent=True)
    def approve_authorization(self, listener_id: UUID, token: str, app: str, name: str) -> None:
        """Consent: make an API token called `name` for the application. Raises InvalidToken, AuthorizationExpired."""

    @command(access=Access.PUBLIC)
    def finish_authorization(self, token: str, app: str) -> ScrobbleSession:
        """Hand the session over, once. Raises AuthorizationPending, AuthorizationExpired, InvalidToken."""

    @query(access=Access.PUBLIC)
    def find_visible(self, name: str, app: str = "", address: str = "") -> Listener:
        """The listener of a name whose listening the actor may read. Raises ListenerNotFound otherwise.

        One's own, a public one, any for an admin; and, since readers of the Audioscrobbler protocol send no session:
        of whom the application `app` had a session from the same `address` within a day.
        """

    @query(access=Access.LISTENER)
    def search_visible(self, search: str, limit: int = 20) -> list[Listener]:
        """Listeners that the actor may see, by the beginning of their name."""

    @query(access=Access.SERVICE)
    def visible_of(self, listener_ids: list[UUID]) -> list[Listener]:
        """Those of the given listeners whose listening is public."""

    @command(access=Access.SERVICE)
    def note_requests(self, requests: list[TokenRequest]) -> None:
        """Note requests of players; the last ones of each token are kept."""

    @query(access=Access.OWNER)
    def list_requests(self, listener_id: UUID, limit: int = 50) -> list[TokenRequest]:
        """The last requests of a listener's tokens, newest first; an admin's own list has nobody's among them."""

    @query(access=Access.PUBLIC)
    def public_keys(self) -> JwkSet:
        """The keys that verify access tokens, the retiring one included."""

    @query(access=Access.SERVICE)
    def inactive_sessions(self, session_ids: list[UUID]) -> list[UUID]:
        """Those of the given sessions and API tokens that were ended, revoked, or whose listener is barred."""

    @command(access=Access.ADMIN)
    def rotate_keys(self) -> JwkSet:
        """Sign with a new key from now on; the one before stays valid for verification until tokens expire."""

    @command(access=Access.ADMIN)
    def create_listener(self, name: str, password: str | None = None, is_admin: bool = False) -> Listener:
        """Create an account; without a password nobody can sign in to it. Raises NameTaken."""

    @command(access=Access.SERVICE, idempotent=True, timeout=30)
    def ensure_listeners(self, names: list[str]) -> list[Listener]:
        """The listeners of these names in this order, created without credentials where missing (data sets)."""

    @query(access=Access.LISTENER)
    def me(self) -> Listener:
        """The acting listener."""

    @query(access=Access.SERVICE)
    def find_listener(self, name: str) -> Listener:
        """The listener of a name, without regard to case. Raises ListenerNotFound."""

    @query(access=Access.ADMIN)
    def list_listeners(self, after: str = "", limit: int = 100, search: str = "") -> list[Listener]:
        """Listeners by name, from the one behind `after`; at most 1000."""

    @command(access=Access.ADMIN)
    def set_disabled(self, listener_id: UUID, is_disabled: bool) -> Listener:
        """Bar or readmit a listener; their sessions end."""

    @command(access=Access.ADMIN, idempotent=True)
    def set_admin(self, listener_id: UUID, is_admin: bool) -> Listener:
        """Make a listener an administrator, or no longer one; then their sessions end. Raises LastAdmin."""

    @command(access=Access.OWNER, idempotent=True)
    def delete_listener(self, listener_id: UUID) -> None:
        """Erase a person here and, through the feed, in every module. Raises LastAdmin."""

    @query(access=Access.OWNER)
    def create_erasure_receipt(self, listener_id: UUID) -> str:
        """A code by which a person who deletes their account can ask afterwards whether all of it is gone."""

    @query(access=Access.PUBLIC, timeout=10)
    def get_erasure(self, receipt: str) -> Erasure:
        """How far an erasure is, as each module finds when it looks. Raises InvalidToken."""

    @command(access=Access.OWNER)
    def change_password(self, listener_id: UUID, current: str, new: str) -> None:
        """Change the password and end the listener's other sessions. Raises InvalidCredentials, WeakPassword."""

    @command(access=Access.ADMIN)
    def create_reset(self, listener_id: UUID) -> str:
        """A reset code, valid for 30 minutes, once; any earlier one is void."""

    @command(access=Access.PUBLIC)
    def reset_password(self, code: str, password: str) -> None:
        """Set a new password by a reset code and end all sessions. Raises InvalidToken, WeakPassword."""

    @command(access=Access.ADMIN)
    def create_invitation(self, is_admin: bool = False) -> Invitation:
        """A code that opens one registration, valid for seven days."""

    @command(access=Access.SERVICE)
    def create_setup_code(self) -> str | None:
        """A code that makes the first administrator, valid for an hour; None where there is one already."""

    @command(access=Access.OWNER)
    def create_token(self, listener_id: UUID, name: str, scopes: list[Scope]) -> IssuedToken:
        """Issue an API token."""

    @query(access=Access.OWNER)
    def list_tokens(self, listener_id: UUID) -> list[ApiToken]:
        """The listener's API tokens, newest first."""

    @command(access=Access.OWNER, idempotent=True)
    def revoke_token(self, listener_id: UUID, token_id: UUID) -> None:
        """Revoke an API token. Raises NotFound when it is not theirs."""

    @query(access=Access.OWNER)
    def list_sessions(self, listener_id: UUID) -> list[Session]:
        """The listener's running sessions, newest first."""

    @command(access=Access.OWNER, idempotent=True)
    def end_session(self, listener_id: UUID, session_id: UUID) -> None:
        """End one session. Raises NotFound when it is not theirs."""

    @query(access=Access.OWNER)
    def get_preferences(self, listener_id: UUID) -> Preferences:
        """The listener's preferences."""

    @command(access=Access.OWNER, idempotent=True)
    def set_preferences(self, listener_id: UUID, preferences: Preferences) -> Preferences:
        """Store the listener's preferences; the time zone must be an IANA name."""

    @command(access=Access.OWNER)
    def start_second_factor(self, listener_id: UUID, password: str) -> SecondFactor:
        """A new TOTP secret, in force once confirmed. Raises InvalidCredentials."""

    @command(access=Access.OWNER)
    def confirm_second_factor(self, listener_id: UUID, otp: str) -> None:
        """Put the started second factor in force. Raises InvalidCredentials."""

    @command(access=Access.OWNER)
    def remove_second_factor(self, listener_id: UUID, password: str) -> None:
        """Remove the second factor. Raises InvalidCredentials."""

    @query(access=Access.OWNER)
    def export_listener(self, listener_id: UUID) -> dict[str, Any]:
        """Everything accounts knows of a person, as JSON values, without secrets."""

    @command(access=Access.LISTENER)
    def record_act(self, act: str, subject: str = "", details: dict[str, Any] | None = None) -> None:
        """Append an act of the actor to the audit table."""

    @query(access=Access.ADMIN)
    def list_audit(self, before: datetime | None = None, limit: int = 100) -> list[AuditEntry]:
        """Audit entries, newest first."""

    @query(access=Access.SERVICE)
    def feed(self, after: str, limit: int = 1000) -> FeedPage[ListenerErased]:
        """Events after a cursor ("" for the beginning). Raises FeedReset when the cursor is of another generation."""
