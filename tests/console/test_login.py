"""The login, at a provider that lies, goes away, and changes its mind: what a well-behaved one cannot show.

A provider that behaves, and a browser, are in tests/end_to_end/test_console_login.py.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import hashlib
import logging
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import uvicorn
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse

from clients.console.login import CALLBACK, FAILED, LOGIN, LOGOUT, SESSION, Login
from clients.console.settings import ConsoleSettings
from services.chassis.settings import SettingsError

CLIENT = "medmesh-console"
KEY = RSAKey.generate_key(2048, {"kid": "one"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "one"})
ORIGIN = "http://127.0.0.1:8081"
CANARY = "Quokkason"


class Provider:
    """What the provider says; a test changes it."""

    def __init__(self) -> None:
        self.issuer = ""
        self.claims: dict[str, Any] = {}
        self.key: RSAKey | OctKey = KEY
        self.metadata: dict[str, Any] = {}
        self.seconds = 300
        self.refused = False
        self.asked: list[dict[str, list[str]]] = []
        """Bodies of the requests for tokens."""
        self.nonce = ""

    async def __call__(self, scope, receive, send) -> None:
        request = Request(scope, receive)
        await (await self._answer(request))(scope, receive, send)

    async def _answer(self, request: Request) -> JSONResponse:
        base = self.issuer
        if request.url.path == "/jwks":
            return JSONResponse({"keys": [KEY.as_dict(private=False)]})
        if request.url.path != "/token":
            return JSONResponse(
                {
                    "issuer": base,
                    "authorization_endpoint": f"{base}/auth",
                    "token_endpoint": f"{base}/token",
                    "jwks_uri": f"{base}/jwks",
                    "id_token_signing_alg_values_supported": ["RS256", "HS256"],
                }
                | self.metadata
            )
        self.asked.append(parse_qs((await request.body()).decode()))
        if self.refused:
            return JSONResponse({"error": "invalid_grant", "error_description": CANARY}, 400)
        answer = {
            "access_token": f"access-{len(self.asked)}",
            "token_type": "Bearer",
            "expires_in": self.seconds,
            "refresh_token": f"refresh-{len(self.asked)}",
        }
        if self.claims is not None and "code" in self.asked[-1]:
            claims = {"iss": base, "aud": CLIENT, "sub": CANARY, "iat": time.time(), "exp": time.time() + 60}
            claims |= {"nonce": self.nonce} | self.claims
            claims = {key: value for key, value in claims.items() if value is not None}
            header = {"alg": "HS256" if isinstance(self.key, OctKey) else "RS256", "kid": "one"}
            answer["id_token"] = jwt.encode(header, claims, self.key, algorithms=["RS256", "HS256"])
        return JSONResponse(answer)


async def door(scope, receive, send) -> None:
    """Says what of a request comes to the door."""
    headers = Request(scope).headers
    said = f"{headers.get('authorization', 'nobody')} {headers.get('cookie', 'no cookie')}"
    await PlainTextResponse(said)(scope, receive, send)


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    provider = Provider()
    config = uvicorn.Config(provider, lifespan="off", ws="none", log_config=None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        provider.issuer = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield provider
        server.should_exit = True
        await serving


def browser(provider: Provider, **settings: Any) -> httpx2.AsyncClient:
    """A browser before a console that knows the provider."""
    login = Login(door, ConsoleSettings(oidc_issuer=provider.issuer, **settings))
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(login), base_url=ORIGIN)


async def begin(page: httpx2.AsyncClient, provider: Provider) -> dict[str, str]:
    """Goes to the provider; what the address says there."""
    answer = await page.get(LOGIN)
    assert answer.status_code == 302, answer.headers
    said = {key: values[0] for key, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    provider.nonce = said["nonce"]
    return said


async def sign_in(page: httpx2.AsyncClient, provider: Provider) -> httpx2.Response:
    said = await begin(page, provider)
    return await page.get(CALLBACK, params={"code": "a-code", "state": said["state"]})


async def test_a_login_asks_with_pkce_and_lends_the_token_to_requests(provider) -> None:
    async with browser(provider, oidc_resource="urn:medmesh") as page:
        said = await begin(page, provider)
        assert said["response_type"] == "code"
        assert said["redirect_uri"] == ORIGIN + CALLBACK
        assert (said["resource"], said["code_challenge_method"]) == ("urn:medmesh", "S256")
        answer = await page.get(CALLBACK, params={"code": "a-code", "state": said["state"]})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        verifier = provider.asked[0]["code_verifier"][0].encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
        assert challenge == said["code_challenge"]
        given = [value for value in answer.headers.get_list("set-cookie") if "Max-Age=0" not in value]
        assert len(given) == 1
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(given[0].split("; "))
        assert "access-1" not in str(answer.headers)
        assert (await page.get(SESSION)).json() == {"login": True, "name": CANARY}
        # The token takes the cookie's place; a request's own token is left alone.
        assert (await page.post("/diagnose")).text == "Bearer access-1 no cookie"
        own = await page.post("/diagnose", headers={"authorization": "Bearer own"})
        assert own.text == "Bearer own no cookie"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_no_page_of_another_site_borrows_the_token(provider, site) -> None:
    async with browser(provider) as page:
        await sign_in(page, provider)
        answer = await page.post("/diagnose", headers={"sec-fetch-site": site})
        assert answer.text == "nobody no cookie"
        foreign = {"origin": "https://elsewhere.example"}
        assert (await page.post(LOGOUT, headers=foreign)).status_code == 403
        assert (await page.get(SESSION)).json()["name"] == CANARY


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another-client"},
        {"aud": ["another-client"], "azp": CLIENT},
        {"aud": None},
        {"iss": "https://another.example"},
        {"iss": None},
        {"exp": 1_000_000_000},
        {"exp": None},
        {"sub": None},
        {"nonce": "another"},
        {"nonce": None},
    ],
    ids=str,
)
async def test_an_id_token_that_is_not_for_this_login_signs_nobody_in(provider, claims, caplog) -> None:
    provider.claims = claims
    await refused(provider, caplog)


@pytest.mark.parametrize(
    "key", [OTHER_KEY, OctKey.import_key("a secret that the attacker chose, long")], ids=["other", "HS256"]
)
async def test_an_id_token_that_the_provider_did_not_sign_signs_nobody_in(provider, key, caplog) -> None:
    provider.key = key
    await refused(provider, caplog)


async def test_an_answer_without_an_id_token_signs_nobody_in(provider, caplog) -> None:
    provider.claims = None
    await refused(provider, caplog)


async def test_a_code_that_the_provider_does_not_take_signs_nobody_in(provider, caplog) -> None:
    provider.refused = True
    await refused(provider, caplog)


async def refused(provider: Provider, caplog) -> None:
    async with browser(provider) as page:
        with caplog.at_level(logging.INFO, logger="medmesh.console"):
            answer = await sign_in(page, provider)
        assert (answer.status_code, answer.headers["location"]) == (303, FAILED)
        assert (await page.get(SESSION)).json() == {"login": True, "name": ""}
        assert (await page.post("/diagnose")).text == "nobody no cookie"
    assert "a login was refused" in caplog.text
    assert CANARY not in caplog.text


async def test_an_answer_that_this_browser_did_not_ask_for_is_refused(provider) -> None:
    async with browser(provider) as page, browser(provider) as other:
        said = await begin(page, provider)
        stolen = {"code": "a-code", "state": said["state"]}
        assert (await other.get(CALLBACK, params=stolen)).headers["location"] == FAILED
        assert not provider.asked  # the code was not spent
        wrong = {"code": "a-code", "state": "made-up"}
        assert (await page.get(CALLBACK, params=wrong)).headers["location"] == FAILED
        # A login is over with its first answer, whatever that was.
        assert (await page.get(CALLBACK, params=stolen)).headers["location"] == FAILED


async def test_a_token_is_renewed_before_it_ends_and_once_for_all_requests(provider) -> None:
    provider.seconds = 10
    async with browser(provider) as page:
        await sign_in(page, provider)
        provider.seconds = 300
        assert (await page.post("/diagnose")).text == "Bearer access-2 no cookie"
        assert (await page.post("/diagnose")).text == "Bearer access-2 no cookie"
        assert [asked["grant_type"] for asked in provider.asked] == [
            ["authorization_code"],
            ["refresh_token"],
        ]
        assert provider.asked[1]["refresh_token"] == ["refresh-1"]
        assert (await page.get(SESSION)).json()["name"] == CANARY


async def test_a_login_ends_when_the_provider_renews_nothing(provider) -> None:
    provider.seconds = 10
    async with browser(provider) as page:
        await sign_in(page, provider)
        provider.refused = True
        assert (await page.get(SESSION)).json() == {"login": True, "name": ""}
        assert (await page.post("/diagnose")).text == "nobody no cookie"


async def test_a_login_ends_with_its_time_and_with_the_logout(provider) -> None:
    async with browser(provider) as page:
        await sign_in(page, provider)
        cookie = dict(page.cookies)
        assert (await page.post(LOGOUT)).json() == {"leads_to": "/"}  # it knows no end_session_endpoint
        assert not page.cookies
        page.cookies.update(cookie)
        assert (await page.post("/diagnose")).text == "nobody no cookie"
    async with browser(provider, session_s=1.0) as page:
        await sign_in(page, provider)
        cookie = dict(page.cookies)
        await asyncio.sleep(1.1)
        page.cookies.update(cookie)
        assert (await page.post("/diagnose")).text == "nobody no cookie"


async def test_a_login_is_not_begun_at_a_provider_that_calls_itself_otherwise_or_is_away(provider) -> None:
    provider.metadata = {"issuer": "https://another.example"}
    async with browser(provider) as page:
        assert (await page.get(LOGIN)).headers["location"] == FAILED
    provider.issuer = "http://127.0.0.1:9"
    async with browser(provider) as page:
        assert (await page.get(LOGIN)).headers["location"] == FAILED


async def test_behind_tls_the_cookies_are_for_tls_and_this_host_alone(provider) -> None:
    origin = "https://console.hospital.example"
    async with browser(provider, allowed_origins=(origin,)) as page:
        page.base_url = origin
        said = await begin(page, provider)
        assert said["redirect_uri"] == origin + CALLBACK
        answer = await page.get(CALLBACK, params={"code": "a-code", "state": said["state"]})
        for cookie in answer.headers.get_list("set-cookie"):
            assert cookie.startswith("__Host-medmesh")
            assert "Secure" in cookie.split("; ")


async def test_without_a_provider_there_is_no_login() -> None:
    login = Login(door, ConsoleSettings())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(login), base_url=ORIGIN) as page:
        assert (await page.get(SESSION)).json() == {"login": False, "name": ""}
        for path in (LOGIN, CALLBACK):
            assert (await page.get(path)).text == "nobody no cookie"  # the door's affair


@pytest.mark.parametrize(
    ("settings", "variable"),
    [
        ({"oidc_issuer": "http://login.hospital.example"}, "MEDMESH_OIDC_ISSUER"),
        ({"allowed_origins": ("http://console.hospital.example",)}, "MEDMESH_OIDC_ISSUER"),
        ({"oidc_client_secret_file": Path("/nowhere")}, "MEDMESH_OIDC_CLIENT_SECRET_FILE"),
    ],
)
def test_what_would_not_be_safe_does_not_start(settings, variable) -> None:
    base = ConsoleSettings(oidc_issuer="https://login.hospital.example")
    with pytest.raises(SettingsError, match=variable):
        Login(door, dataclasses.replace(base, **settings))
