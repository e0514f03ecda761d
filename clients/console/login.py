"""Login by OpenID Connect: people sign in at their identity provider, and the mesh knows them by its token.

Authorization Code with PKCE, by authlib. The tokens stay in this process; the browser has a cookie that no
script reads. A request that comes with it goes on to the door with the person's access token, as if the page
had sent that.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from authlib.integrations.starlette_client import OAuth, OAuthError
from httpx2 import HTTPError
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from clients.console.sessions import Sessions
from clients.console.settings import ConsoleSettings
from clients.gateway.door import is_foreign
from services.chassis.settings import SettingsError, is_loopback

logger = logging.getLogger("medmesh.console")

LOGIN, CALLBACK, LOGOUT, SESSION = "/login", "/login/callback", "/logout", "/session"
FAILED = "/#/sign-in-failed"
"""Where the page says that a login failed. Why, the log says, as far as it may."""
_LOGIN_S = 600.0
"""Time for a login at the identity provider, in seconds."""
_AHEAD_S = 30.0
"""An access token is renewed so many seconds before it ends."""
_TIMEOUT_S = 10.0
_HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_FAILURES = (OAuthError, JoseError, HTTPError, RuntimeError, ValueError)
"""What authlib raises for a provider that is away, refuses, or says what is not true."""


@dataclass(eq=False)
class Person:
    """Somebody who is signed in."""

    tokens: MutableMapping[str, Any]
    """What the identity provider gave, renewed now and then; empty once it gives no more."""
    renewing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def name(self) -> str:
        """What the provider calls the person."""
        claims = self.tokens.get("userinfo", {})
        return str(claims.get("name") or claims.get("preferred_username") or claims.get("sub") or "")

    @property
    def ends_in_s(self) -> float:
        """Seconds until the access token ends; infinite where the provider did not say."""
        return float(self.tokens.get("expires_at") or "inf") - time.time() if self.tokens else 0.0


class Login:
    """Answers for the login's own paths, and lends the person's token to every other request."""

    def __init__(self, door: ASGIApp, settings: ConsoleSettings) -> None:
        self._door = door
        self._settings = settings
        self._begun: Sessions[dict[str, Any]] = Sessions(_LOGIN_S)
        """Logins under way: what authlib keeps of each, by state: nonce, verifier."""
        self._people: Sessions[Person] = Sessions(settings.session_s)
        self._secure = settings.origin.startswith("https://")
        prefix = "__Host-" if self._secure else ""  # no other host and no plain HTTP can set such a cookie
        self._cookie, self._begun_cookie = f"{prefix}medmesh", f"{prefix}medmesh-login"
        self._provider: Any = _provider(settings) if settings.oidc_issuer else None
        self.paths: dict[tuple[str, str], Callable[[Request], Awaitable[Response]]] = {
            ("GET", SESSION): self._session,
        }
        """What it answers for itself, by method and path."""
        if self._provider is not None:
            self.paths |= {
                ("GET", LOGIN): self._begin,
                ("GET", CALLBACK): self._finish,
                ("POST", LOGOUT): self._end,
            }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._door(scope, receive, send)
            return
        request = Request(scope, receive)
        answer = self.paths.get((scope["method"], scope["path"]))
        if answer is None:
            await self._lend(request)
            await self._door(scope, receive, send)
        elif is_foreign(request.headers, self._settings):
            await Response(status_code=HTTPStatus.FORBIDDEN, headers=_HEADERS)(scope, receive, send)
        else:
            response = await answer(request)
            response.headers.update(_HEADERS)
            await response(scope, receive, send)

    async def _lend(self, request: Request) -> None:
        """Puts the person's token in the place of the cookie. Other sites' pages cannot borrow it."""
        own = request.headers.get("sec-fetch-site", "same-origin") == "same-origin"
        lent = (
            await self._token(self._person(request)) if own and "authorization" not in request.headers else ""
        )
        kept = [pair for pair in request.scope["headers"] if pair[0] != b"cookie"]
        request.scope["headers"] = [*kept, (b"authorization", f"Bearer {lent}".encode())] if lent else kept

    async def _session(self, request: Request) -> Response:
        """What the page shows of the session."""
        person = self._person(request)
        name = person.name if person and await self._token(person) else ""
        return JSONResponse({"login": self._provider is not None, "name": name})

    async def _begin(self, request: Request) -> Response:
        begun: dict[str, Any] = {}
        request.scope["session"] = begun
        asked = {"resource": self._settings.oidc_resource} if self._settings.oidc_resource else {}
        try:
            await _same_issuer(self._provider, self._settings)
            response: Response = await self._provider.authorize_redirect(
                request, self._settings.origin + CALLBACK, **asked
            )
        except _FAILURES as error:
            return _failed("not begun", error)
        # Lax: the provider's redirect is another site's, and has to bring it.
        self._give(response, self._begun_cookie, self._begun.begin(begun), _LOGIN_S, "lax")
        return response

    async def _finish(self, request: Request) -> Response:
        # Whatever comes of it, it is over: a code is good once.
        request.scope["session"] = self._begun.end(request.cookies.get(self._begun_cookie, "")) or {}
        claims = {
            "iss": {"essential": True, "value": self._settings.oidc_issuer},
            "aud": {"essential": True, "value": self._settings.oidc_client_id},
        }
        try:
            tokens = await self._provider.authorize_access_token(request, claims_options=claims)
        except _FAILURES as error:
            return _failed("refused", error)
        if not tokens.get("userinfo"):
            return _failed("refused", ValueError("no ID token"))
        logger.info("signed in")
        response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
        self._take(response, self._begun_cookie)
        self._give(
            response, self._cookie, self._people.begin(Person(tokens)), self._settings.session_s, "strict"
        )
        return response

    async def _end(self, request: Request) -> Response:
        """Forgets the person, and says where the provider's own session is ended."""
        person = self._people.end(request.cookies.get(self._cookie, ""))
        leads_to = "/"
        if person:
            logger.info("signed out")
            try:
                out = await self._provider.create_logout_url(
                    self._settings.origin + "/",
                    person.tokens.get("id_token"),
                    client_id=self._settings.oidc_client_id,
                )
                leads_to = out["url"]
            except _FAILURES:
                logger.info("the identity provider was not told: it knows no logout, or is away")
        response = JSONResponse({"leads_to": leads_to})
        self._take(response, self._cookie)
        return response

    async def _token(self, person: Person | None) -> str:
        """The access token, renewed where it is about to end; empty: nobody is signed in."""
        if person is None:
            return ""
        async with person.renewing:
            if person.ends_in_s < _AHEAD_S and (refresh := person.tokens.get("refresh_token")):
                try:
                    person.tokens |= await self._provider.fetch_access_token(
                        grant_type="refresh_token", refresh_token=refresh
                    )
                except OAuthError:
                    person.tokens = {}
                    logger.info("a login has ended: the identity provider renewed nothing")
                except _FAILURES:
                    logger.warning("a token was not renewed: the identity provider is away")
        return str(person.tokens["access_token"]) if person.ends_in_s > 0 else ""

    def _person(self, request: Request) -> Person | None:
        return self._people.find(request.cookies.get(self._cookie, ""))

    def _give(self, response: Response, cookie: str, name: str, seconds: float, same_site: Any) -> None:
        response.set_cookie(
            cookie, name, max_age=round(seconds), secure=self._secure, httponly=True, samesite=same_site
        )

    def _take(self, response: Response, cookie: str) -> None:
        response.delete_cookie(cookie, secure=self._secure, httponly=True)


def _provider(settings: ConsoleSettings) -> Any:
    """The identity provider, of which nothing is asked yet. Raises SettingsError."""
    issuer = settings.oidc_issuer
    here = _is_here(issuer)
    if not issuer.startswith("https://") and not here:
        raise SettingsError(settings.key("oidc_issuer"), "must be an https:// address")
    if not settings.origin.startswith("https://") and not _is_here(settings.origin):
        raise SettingsError(
            settings.key("oidc_issuer"),
            "the session's cookie would go in clear: give the console a certificate, or name the https:// "
            f"address that browsers see in {settings.key('allowed_origins')}",
        )
    secret = None
    if settings.oidc_client_secret_file:
        try:
            secret = settings.oidc_client_secret_file.read_text(encoding="utf-8").strip()
        except OSError:
            raise SettingsError(settings.key("oidc_client_secret_file"), "the file cannot be read") from None
    return OAuth().register(
        "provider",
        client_id=settings.oidc_client_id,
        client_secret=secret,
        server_metadata_url=issuer.rstrip("/") + "/.well-known/openid-configuration",
        client_kwargs={
            "scope": settings.oidc_scope,
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": "client_secret_basic" if secret else "none",
            "timeout": _TIMEOUT_S,
            "trust_env": not here,  # no proxy leads to this machine
        },
    )


def _is_here(url: str) -> bool:
    """Whether the address is one of this machine's own."""
    return is_loopback(urlsplit(url).hostname or "")


async def _same_issuer(provider: Any, settings: ConsoleSettings) -> None:
    """Raises ValueError where the provider calls itself otherwise than it was asked for."""
    metadata = await provider.load_server_metadata()
    if metadata.get("issuer") != settings.oidc_issuer:
        raise ValueError("another issuer")


def _failed(what: str, error: Exception) -> Response:
    # Its text may quote what the browser brought.
    logger.warning("a login was %s", what, extra={"facts": {"error": type(error).__name__}})
    return RedirectResponse(FAILED, HTTPStatus.SEE_OTHER)
