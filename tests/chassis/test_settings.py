"""Settings fail at start, by key, and never show a value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from clients.gateway.settings import GatewaySettings
from services.chassis.settings import (
    LogLevel,
    Secret,
    ServiceSettings,
    Settings,
    SettingsError,
    join_folders,
    named,
    split_folders,
    told_in_code,
)


@dataclass(frozen=True, kw_only=True)
class Example(ServiceSettings):
    corpus: Path
    scale: float = 1.0


def test_every_default_works():
    assert ServiceSettings.from_environment({}) == ServiceSettings()


def test_folders_are_separated_as_those_of_path(monkeypatch):
    monkeypatch.setenv("HOME", "/home/reader")
    settings = ServiceSettings.from_environment({"MEDMESH_MODEL_REPOSITORY": "/own: :~/more:/shipped"})
    assert settings.model_repository == (Path("/own"), Path("/home/reader/more"), Path("/shipped"))
    assert split_folders(join_folders(settings.model_repository)) == settings.model_repository


def test_each_kind_of_value_is_read():
    settings = Example.from_environment(
        {
            "MEDMESH_CORPUS": "/data/corpus",
            "MEDMESH_SCALE": "0.5",
            "MEDMESH_LISTEN": "[::1]:50051",
            "MEDMESH_MAXIMUM_IN_FLIGHT_COUNT": "4",
            "MEDMESH_INSECURE": "yes",
            "MEDMESH_LOG_LEVEL": "debug",
            "MEDMESH_TOKEN": "hush",
            "MEDMESH_AUTH_POLICY": "",
        }
    )
    assert (settings.corpus, settings.scale) == (Path("/data/corpus"), 0.5)
    assert (settings.listen, settings.maximum_in_flight_count) == ("[::1]:50051", 4)
    assert (settings.insecure, settings.log_level, settings.auth_policy) == (True, LogLevel.DEBUG, None)
    assert settings.token is not None
    assert settings.token.reveal() == "hush"


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("MEDMESH_DEFAULT_DEADLINE_S", "soon", "is no number"),
        ("MEDMESH_MAXIMUM_QUEUE_COUNT", "1.5", "is no whole number"),
        ("MEDMESH_MAXIMUM_QUEUE_COUNT", "-1", "must lie between 0 and 100000"),
        ("MEDMESH_DEFAULT_DEADLINE_S", "nan", "must lie between"),
        ("MEDMESH_INSECURE", "perhaps", "must be 1 or 0"),
        ("MEDMESH_LOG_LEVEL", "loud", "is no value out of debug, info, warning, error"),
        ("MEDMESH_LISTEN", "50051", "must be HOST:PORT"),
        ("MEDMESH_LISTEN", "127.0.0.1:99999", "must be HOST:PORT"),
        ("MEDMESH_TLS_KEY", "/key.pem", ""),
        ("MEDMESH_TLS_CLIENT_CA", "/ca.pem", ""),
        ("MEDMESH_LISTEN", "0.0.0.0:50051", "needs TLS"),
    ],
)
def test_a_bad_value_is_refused_by_key_without_being_shown(key, value, problem):
    with pytest.raises(SettingsError) as caught:
        Example.from_environment({"MEDMESH_CORPUS": "/x", key: value})
    assert problem in str(caught.value)
    shown = {"MEDMESH_TLS_KEY": "MEDMESH_TLS_CERTIFICATE", "MEDMESH_TLS_CLIENT_CA": "MEDMESH_TLS_CERTIFICATE"}
    assert str(caught.value).startswith(shown.get(key, key) + ":")
    assert value not in str(caught.value) or len(value) < 3
    assert caught.value.__cause__ is None


def test_an_empty_variable_counts_as_not_set():
    settings = ServiceSettings.from_environment({"MEDMESH_MAXIMUM_QUEUE_COUNT": "", "MEDMESH_LISTEN": ""})
    assert settings == ServiceSettings()


def test_a_field_may_name_its_variable_or_have_none():
    @dataclass(frozen=True, kw_only=True)
    class Other(Settings):
        PREFIX = "MEDMESH_OTHER_"

        words: tuple[str, ...] = ()
        folder: Path = named("MEDMESH_FOLDER", Path("/x"))  # noqa: RUF009 - a field
        fixed: int = told_in_code(default=1)

    told = {"MEDMESH_OTHER_WORDS": "a, b c", "MEDMESH_FOLDER": "/y", "MEDMESH_OTHER_FIXED": "2"}
    assert Other.from_environment(told) == Other(words=("a", "b", "c"), folder=Path("/y"), fixed=1)


def test_a_missing_value_is_named():
    with pytest.raises(SettingsError, match="MEDMESH_CORPUS: is required"):
        Example.from_environment({})


def test_the_default_deadline_fits_into_the_maximum():
    with pytest.raises(SettingsError, match="MEDMESH_DEFAULT_DEADLINE_S"):
        ServiceSettings.from_environment({"MEDMESH_MAXIMUM_DEADLINE_S": "5"})


def test_beyond_loopback_needs_tls_or_a_word():
    policy = Path("p")
    ServiceSettings(listen="0.0.0.0:1", insecure=True, auth_policy=policy)
    ServiceSettings(listen="0.0.0.0:1", tls_certificate=Path("c"), tls_key=Path("k"), auth_policy=policy)
    ServiceSettings(listen="localhost:1")
    for host in ("10.0.0.1", "127.example.org", "127.0.0.example.org", "[::]", "example.org"):
        with pytest.raises(SettingsError, match="needs TLS"):
            ServiceSettings(listen=f"{host}:1", auth_policy=policy)


@pytest.mark.parametrize(
    "told", [{"insecure": True}, {"tls_certificate": Path("c"), "tls_key": Path("k")}], ids=["clear", "TLS"]
)
@pytest.mark.parametrize("settings", [ServiceSettings, GatewaySettings])
def test_nothing_listens_beyond_loopback_without_a_policy(settings, told):
    with pytest.raises(SettingsError, match="MEDMESH_AUTH_POLICY"):
        settings(listen="0.0.0.0:1", **told)


def test_one_folder_is_mutual_tls_and_the_policy_and_each_setting_goes_before_it():
    folder = Path("/identity")
    settings = ServiceSettings(listen="0.0.0.0:1", identity_folder=folder, tls_client_ca=Path("/other.crt"))
    assert (settings.tls_certificate, settings.tls_key) == (folder / "tls.crt", folder / "tls.key")
    assert (settings.tls_upstream_ca, settings.auth_policy) == (folder / "ca.crt", folder / "policy.toml")
    assert settings.tls_client_ca == Path("/other.crt")
    assert GatewaySettings(identity_folder=folder).tls_client_ca is None  # browsers have no certificate


def test_a_secret_never_shows():
    settings = ServiceSettings(token=Secret("hush"))
    assert "hush" not in f"{settings} {settings!r} {settings.token}"
    assert settings.token == Secret("hush")
