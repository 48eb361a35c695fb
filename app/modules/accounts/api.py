"""Public JSON routes of `accounts`: signing in, one's own account, and what admins do with accounts."""

import time
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from flask import Response, request
from msgspec import Meta, Struct

from app.contracts.accounts import (
    ALL_SCOPES,
    ApiToken,
    AuditEntry,
    Erasure,
    Invitation,
    IssuedToken,
    JwkSet,
    Listener,
    Preferences,
    Scope,
    SecondFactor,
    Session,
    TokenPair,
)
from app.contracts.services import Services
from app.kernel import context
from app.kernel.contract import Access, Unauthenticated
from app.kernel.routes import Api
from app.modules.accounts.export import chunks

api = Api(
    "accounts", prefixes=("auth", "me", "erasures", "admin/users", "admin/audit", "admin/invitations", "admin/keys")
)

Name = Annotated[str, Meta(max_length=200)]
Password = Annotated[str, Meta(max_length=1024)]
Code = Annotated[str, Meta(max_length=200)]
PageSize = Annotated[int, Meta(ge=1, le=1000)]


class LoginForm(Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    password: Password
    otp: Code = ""


class RefreshForm(Struct, frozen=True, forbid_unknown_fields=True):
    refresh_token: Code


class LogoutForm(Struct, frozen=True, forbid_unknown_fields=True):
    refresh_token: Code = ""
    everywhere: bool = False


class RegisterForm(Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    password: Password
    invitation: Code = ""


class ResetForm(Struct, frozen=True, forbid_unknown_fields=True):
    code: Code
    password: Password


class TokenForm(Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(max_length=100)] = "API token"
    scopes: Annotated[list[Scope], Meta(max_length=10)] = msgspec.field(default_factory=lambda: list(ALL_SCOPES))


class PasswordForm(Struct, frozen=True, forbid_unknown_fields=True):
    current: Password
    new: Password


class ProofForm(Struct, frozen=True, forbid_unknown_fields=True):
    password: Password


class OtpForm(Struct, frozen=True, forbid_unknown_fields=True):
    otp: Code


class PreferencesForm(Struct, frozen=True, forbid_unknown_fields=True):
    timezone: Annotated[str, Meta(max_length=64)] | None = None
    is_public: bool | None = None
    theme: Annotated[str, Meta(pattern="^(auto|light|dark)$")] | None = None
    language: Annotated[str, Meta(pattern="^(auto|en|de)$")] | None = None


class UserForm(Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    password: Password | None = None
    is_admin: bool = False


class DisabledForm(Struct, frozen=True, forbid_unknown_fields=True):
    is_disabled: bool


class RoleForm(Struct, frozen=True, forbid_unknown_fields=True):
    is_admin: bool


class InvitationForm(Struct, frozen=True, forbid_unknown_fields=True):
    is_admin: bool = False


class UsersQuery(Struct, frozen=True, forbid_unknown_fields=True):
    after: Name = ""
    limit: PageSize = 100
    search: Name = ""


class AuditQuery(Struct, frozen=True, forbid_unknown_fields=True):
    before: datetime | None = None
    limit: PageSize = 100


class Tokens(Struct, frozen=True):
    tokens: list[ApiToken]


class Sessions(Struct, frozen=True):
    sessions: list[Session]


class Users(Struct, frozen=True):
    users: list[Listener]
    next: str | None


class AuditPage(Struct, frozen=True):
    entries: list[AuditEntry]
    next: datetime | None


class ResetCode(Struct, frozen=True):
    code: str


def _me() -> UUID:
    listener_id = context.actor().listener_id
    if listener_id is None:
        raise Unauthenticated
    return listener_id


@api.route("POST", "/auth/login", body=LoginForm, returns=TokenPair, access=Access.PUBLIC)
def login(services: Services, *, body: LoginForm) -> TokenPair:
    """Sign in with name and password, and a code where the account asks for one."""
    client = request.headers.get("User-Agent", "")[:200]
    return services.accounts.login(body.name, body.password, body.otp, client, request.remote_addr or "")


@api.route("POST", "/auth/refresh", body=RefreshForm, returns=TokenPair, access=Access.PUBLIC)
def refresh(services: Services, *, body: RefreshForm) -> TokenPair:
    """Exchange a refresh token, once, for a new pair."""
    return services.accounts.refresh(body.refresh_token)


@api.route("POST", "/auth/logout", body=LogoutForm, access=Access.PUBLIC)
def logout(services: Services, *, body: LogoutForm) -> None:
    """End this session, the refresh token's, or all of one's sessions."""
    services.accounts.logout(body.refresh_token, body.everywhere)


@api.route("POST", "/auth/register", body=RegisterForm, returns=Listener, access=Access.PUBLIC, status=201)
def register(services: Services, *, body: RegisterForm) -> Listener:
    """Create one's own account, with an invitation unless registration is open."""
    return services.accounts.register(body.name, body.password, body.invitation)


@api.route("POST", "/auth/reset", body=ResetForm, access=Access.PUBLIC)
def reset(services: Services, *, body: ResetForm) -> None:
    """Set a new password with a reset code; all sessions end."""
    services.accounts.reset_password(body.code, body.password)


@api.route("GET", "/me", returns=Listener)
def get_me(services: Services) -> Listener:
    """Say who one is."""
    return services.accounts.me()


@api.route("DELETE", "/me")
def delete_me(services: Services) -> Response:
    """Delete one's account and everything known of one; the header Location says where to ask whether all is gone."""
    receipt = services.accounts.create_erasure_receipt(_me())
    services.accounts.delete_listener(_me())
    return Response(status=204, headers={"Location": f"/api/v1/erasures/{receipt}"})


@api.route("GET", "/erasures/<receipt>", returns=Erasure, access=Access.PUBLIC)
def get_erasure(services: Services, *, receipt: str) -> Erasure:
    """Say whether everything of a deleted account is gone, and which modules still wait."""
    return services.accounts.get_erasure(receipt)


@api.route("GET", "/me/export", returns=bytes)
def export_me(services: Services) -> Response:
    """Download everything known of one: a zip in the layout of ListenBrainz, with playlists and account beside it."""
    return exported(services, _me(), context.actor().name)


def exported(services: Services, listener_id: UUID, name: str) -> Response:
    file = f"listenbrainz_{name}_{int(time.time())}.zip"
    return Response(
        context.carried(chunks(services, listener_id)),
        content_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{file}"'},
    )


@api.route("POST", "/me/tokens", body=TokenForm, returns=IssuedToken, status=201)
def create_token(services: Services, *, body: TokenForm) -> IssuedToken:
    """Make an API token; it is shown this once."""
    return services.accounts.create_token(_me(), body.name, body.scopes)


@api.route("GET", "/me/tokens", returns=Tokens)
def list_tokens(services: Services) -> Tokens:
    """List one's API tokens, without the tokens themselves."""
    return Tokens(services.accounts.list_tokens(_me()))


@api.route("DELETE", "/me/tokens/<uuid:token_id>")
def revoke_token(services: Services, *, token_id: UUID) -> None:
    """Revoke an API token."""
    services.accounts.revoke_token(_me(), token_id)


@api.route("GET", "/me/sessions", returns=Sessions)
def list_sessions(services: Services) -> Sessions:
    """List where one is signed in."""
    return Sessions(services.accounts.list_sessions(_me()))


@api.route("DELETE", "/me/sessions")
def end_all_sessions(services: Services) -> None:
    """Sign out everywhere."""
    services.accounts.logout(everywhere=True)


@api.route("DELETE", "/me/sessions/<uuid:session_id>")
def end_session(services: Services, *, session_id: UUID) -> None:
    """End one session."""
    services.accounts.end_session(_me(), session_id)


@api.route("PUT", "/me/password", body=PasswordForm)
def change_password(services: Services, *, body: PasswordForm) -> None:
    """Change one's password; other sessions end."""
    services.accounts.change_password(_me(), body.current, body.new)


@api.route("GET", "/me/preferences", returns=Preferences)
def get_preferences(services: Services) -> Preferences:
    """Return one's preferences."""
    return services.accounts.get_preferences(_me())


@api.route("PUT", "/me/preferences", body=PreferencesForm, returns=Preferences)
def set_preferences(services: Services, *, body: PreferencesForm) -> Preferences:
    """Store preferences; what is left out stays as it was."""
    stored = services.accounts.get_preferences(_me())
    given = {k: v for k, v in msgspec.structs.asdict(body).items() if v is not None}
    return services.accounts.set_preferences(_me(), msgspec.structs.replace(stored, **given))


@api.route("POST", "/me/second-factor", body=ProofForm, returns=SecondFactor, status=201)
def start_second_factor(services: Services, *, body: ProofForm) -> SecondFactor:
    """Make a TOTP secret and recovery codes, in force once confirmed."""
    return services.accounts.start_second_factor(_me(), body.password)


@api.route("POST", "/me/second-factor/confirm", body=OtpForm)
def confirm_second_factor(services: Services, *, body: OtpForm) -> None:
    """Put the new second factor in force; other sessions end."""
    services.accounts.confirm_second_factor(_me(), body.otp)


@api.route("DELETE", "/me/second-factor", body=ProofForm)
def remove_second_factor(services: Services, *, body: ProofForm) -> None:
    """Remove the second factor; other sessions end."""
    services.accounts.remove_second_factor(_me(), body.password)


@api.route("GET", "/admin/users", query=UsersQuery, returns=Users, access=Access.ADMIN)
def list_users(services: Services, *, query: UsersQuery) -> Users:
    """List accounts by name; `next` goes on behind the last."""
    users = services.accounts.list_listeners(query.after, query.limit, query.search)
    return Users(users, users[-1].name if len(users) == query.limit else None)


@api.route("POST", "/admin/users", body=UserForm, returns=Listener, access=Access.ADMIN, status=201)
def create_user(services: Services, *, body: UserForm) -> Listener:
    """Create an account; without a password nobody can sign in to it until a reset."""
    return services.accounts.create_listener(body.name, body.password, body.is_admin)


@api.route("PUT", "/admin/users/<uuid:listener_id>/disabled", body=DisabledForm, returns=Listener, access=Access.ADMIN)
def disable_user(services: Services, *, listener_id: UUID, body: DisabledForm) -> Listener:
    """Bar or readmit an account; its sessions end."""
    return services.accounts.set_disabled(listener_id, body.is_disabled)


@api.route("PUT", "/admin/users/<uuid:listener_id>/role", body=RoleForm, returns=Listener, access=Access.ADMIN)
def set_role(services: Services, *, listener_id: UUID, body: RoleForm) -> Listener:
    """Make an account an administrator's, or no longer."""
    return services.accounts.set_admin(listener_id, body.is_admin)


@api.route("DELETE", "/admin/users/<uuid:listener_id>", access=Access.ADMIN)
def delete_user(services: Services, *, listener_id: UUID) -> None:
    """Erase an account, in every module."""
    services.accounts.delete_listener(listener_id)


@api.route("GET", "/admin/users/<uuid:listener_id>/export", returns=bytes, access=Access.ADMIN)
def export_user(services: Services, *, listener_id: UUID) -> Response:
    """Download everything known of a person who asked for it otherwise; it is in the audit trail."""
    services.accounts.record_act("listener.export", str(listener_id))
    return exported(services, listener_id, str(listener_id))


@api.route("POST", "/admin/users/<uuid:listener_id>/reset", returns=ResetCode, access=Access.ADMIN, status=201)
def create_reset(services: Services, *, listener_id: UUID) -> ResetCode:
    """Make a code by which a password can be set anew, once, within 30 minutes."""
    return ResetCode(services.accounts.create_reset(listener_id))


@api.route("POST", "/admin/invitations", body=InvitationForm, returns=Invitation, access=Access.ADMIN, status=201)
def create_invitation(services: Services, *, body: InvitationForm) -> Invitation:
    """Make a code that opens one registration, valid for seven days."""
    return services.accounts.create_invitation(body.is_admin)


@api.route("GET", "/admin/audit", query=AuditQuery, returns=AuditPage, access=Access.ADMIN)
def list_audit(services: Services, *, query: AuditQuery) -> AuditPage:
    """List what was done, newest first; `next` goes on before the last."""
    entries = services.accounts.list_audit(query.before, query.limit)
    return AuditPage(entries, entries[-1].at if len(entries) == query.limit else None)


@api.route("POST", "/admin/keys", returns=JwkSet, access=Access.ADMIN, status=201)
def rotate_keys(services: Services) -> JwkSet:
    """Sign access tokens with a new key from now on; those already issued stay valid until they expire."""
    return services.accounts.rotate_keys()
