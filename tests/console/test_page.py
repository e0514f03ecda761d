"""What the console serves, under which policy, and what its page is made of."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from clients.console.page import DIRECTIVES, PAGE, SAMPLES, Console
from clients.console.settings import ConsoleSettings
from tools.bootstrap import ROOT

SOURCES = ROOT / "clients" / "console" / "web" / "src"
MOST_BYTES = 1_000_000
WORDS = {name: json.loads((SOURCES / "words" / f"{name}.json").read_text("utf-8")) for name in ("en", "zh")}


async def elsewhere(scope, receive, send):
    await send({"type": "http.response.start", "status": 418, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def get(path: str, *, method: str = "GET", headers=()) -> tuple[int, dict[str, str], bytes]:
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
    await Console(elsewhere)(scope, None, send)
    answered = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
    return sent[0]["status"], answered, sent[1]["body"]


async def test_the_page_comes_under_a_policy_that_lets_nothing_else_in():
    status, headers, body = await get("/")
    assert status == 200
    assert body == (PAGE / "index.html").read_bytes()
    policy = headers["content-security-policy"]
    assert policy == "; ".join(DIRECTIVES)
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"unsafe|\*|https?:|data:", policy)
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", SAMPLES)
async def test_the_sample_case_is_that_of_the_project(name):
    status, _, body = await get(f"/samples/{name}")
    assert (status, body) == (200, (ROOT / "samples" / name).read_bytes())


@pytest.mark.parametrize(
    "path", ["/main.js/", "/../page.py", "/page/../page.py", "/samples/../../README.md", "/diagnose"]
)
async def test_what_is_not_the_page_is_the_doors_affair(path):
    assert (await get(path))[0] == 418


async def test_a_call_is_never_taken_for_a_file():
    assert (await get("/", method="POST"))[0] == 418


async def test_what_the_browser_has_is_not_sent_again():
    _, headers, _ = await get("/main.js")
    status, _, body = await get("/main.js", headers=[(b"if-none-match", headers["etag"].encode())])
    assert (status, body) == (304, b"")


def test_the_page_is_small_and_names_no_other_server():
    files = [path for path in PAGE.iterdir() if path.suffix in {".html", ".js", ".css", ".svg"}]
    assert {path.name for path in files} == {"index.html", "main.js", "main.css", "icon.svg"}
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
    page = (PAGE / "index.html").read_text("utf-8") + (PAGE / "main.css").read_text("utf-8")
    assert not re.search(r"https?://|url\(|<style|\sstyle=|\son\w+=", page)


def test_each_word_is_there_in_both_languages_with_the_same_places_to_fill():
    english, chinese = WORDS["en"], WORDS["zh"]
    assert english.keys() == chinese.keys()
    for key, word in english.items():
        assert word.strip(), key
        assert chinese[key].strip(), key
        assert sorted(re.findall(r"\{\w+\}", word)) == sorted(re.findall(r"\{\w+\}", chinese[key])), key


def test_each_chinese_word_is_chinese():
    names = {"title"}
    assert not [
        key
        for key, word in WORDS["zh"].items()
        if key not in names and not re.search(r"[\u4e00-\u9fff]", word)
    ]


def test_each_word_is_used_and_none_is_written_into_the_page():
    code = {path: path.read_text("utf-8") for path in SOURCES.rglob("*.ts") if "gen" not in path.parts}
    named = {key for text in code.values() for key in re.findall(r'"([a-z_]+\.[a-z_]+)"', text)}
    kinds = {kind for text in code.values() for kind in re.findall(r'valueOf\(\s*"(\w+)"', text)}
    kinds |= {kind for text in code.values() for kind in re.findall(r"t\(`(\w+)\.\$\{", text)}
    unused = {key for key in WORDS["en"] if key not in named and key.split(".")[0] not in {*kinds, "title"}}
    assert not unused
    # Between two tags of a template stand expressions and signs, no words.
    for path, text in code.items():
        for said in re.findall(r">([^<>${}`=;]*[A-Za-z]{3,}[^<>${}`=;()]*)</", text):
            assert said.strip() == "medmesh", f"{path.name}: {said.strip()}"


def test_nothing_of_a_case_can_be_kept_by_the_page():
    for path in SOURCES.rglob("*.ts"):
        if "gen" not in path.parts:
            kept = re.search(
                r"localStorage|sessionStorage|indexedDB|document\.cookie|console\.", path.read_text("utf-8")
            )
            assert not kept, path.name


def test_the_console_listens_where_only_this_machine_is():
    assert ConsoleSettings().listen == "127.0.0.1:8081"
    assert not ConsoleSettings().is_open_to_others


def test_the_bundle_is_of_the_sources_words():
    """`make test-consumers` compares all of it; this sees a forgotten `make console` without npm."""
    bundle = Path(PAGE / "main.js").read_text("utf-8")
    for words in WORDS.values():
        assert not [key for key, word in words.items() if key not in bundle or word[:8] not in bundle]
