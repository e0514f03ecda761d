"""The list of endpoints: what is refused of it, and the format of a message."""

from __future__ import annotations

import base64

import pytest

from clients.jobs import webhooks
from services.chassis.settings import SettingsError


def test_a_signature_is_that_of_the_format_s_own_example():
    """Of the specification of Standard Webhooks, which the libraries of the format are tested with."""
    secret = base64.b64decode("plJ3nmyCDGBKInavdOK15jsl")
    body = b'{"event_type":"ping","data":{"success":true}}'
    signed = webhooks.signature(secret, "msg_loFOjxBNrRLzqYUf", 1731705121, body)
    assert signed == "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


@pytest.mark.parametrize(
    ("url", "secret", "problem"),
    [
        ("http://ris.example/hook", b"x" * 24, "must begin with https://"),
        ("ftp://127.0.0.1/hook", b"x" * 24, "must begin with https://"),
        ("https://user@ris.example/", b"x" * 24, "without a user's name"),
        ("/hook", b"x" * 24, "must be an address"),
        ("https://ris.example/hook", b"short", "24 to 64 bytes"),
    ],
)
def test_an_endpoint_that_is_not_safe_is_refused(tmp_path, url, secret, problem):
    (tmp_path / "s").write_text("whsec_" + base64.b64encode(secret).decode())
    (tmp_path / "webhooks.toml").write_text(f'[ris]\nurl = "{url}"\nsecret_file = "s"\n')
    with pytest.raises(SettingsError, match=problem):
        webhooks.read(tmp_path / "webhooks.toml")


def test_a_misspelt_key_and_a_missing_secret_are_named(tmp_path):
    path = tmp_path / "webhooks.toml"
    path.write_text('[ris]\nurl = "https://a.example"\nsecret = "x"\n')
    with pytest.raises(SettingsError, match="ris must be a table of url, secret_file and tenants"):
        webhooks.read(path)
    path.write_text('[ris]\nurl = "https://a.example"\nsecret_file = "gone"\n')
    with pytest.raises(SettingsError, match="a secret beside it, cannot be read"):
        webhooks.read(path)
    assert webhooks.read(None) == {}
