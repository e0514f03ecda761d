"""A configuration that cannot be used is refused by the key that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.dicom_node.configuration import Peer, check, load
from clients.dicom_node.rules import Header, Rule, first_that_fits
from clients.dicom_node.running import configured
from services.chassis.configuration_file import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]
DESTINATION = '[[destinations]]\nname = "pacs"\n'


def read(folder, text):
    file = folder / "node.toml"
    file.write_text(text)
    return check(load(file))


def test_the_example_can_be_used():
    configuration = check(load(ROOT / "clients" / "dicom_node" / "node.toml"))
    assert configuration.destinations[0].address == "127.0.0.1:4242"


def test_paths_are_relative_to_the_file(tmp_path):
    assert read(tmp_path, '[node]\nspool = "kept"').node.spool == tmp_path / "kept"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("node", "is not TOML"),
        ("[node]\nae_titel = 'A'", "node.ae_titel: there is no such setting; did you mean ae_title?"),
        ("[node]\nae_title = 'much longer than sixteen'", "node.ae_title: an AE title has 1 to 16"),
        ("[node]\nworkers = '2'", "node.workers: give a whole number"),
        ("[node]\nworkers = 0", "node.workers: must be more than 0"),
        ("[node]\nlisten = '11112'", "node.listen: give an address and a port"),
        ("[node]\nlisten = '0.0.0.0:11112'", "beyond loopback a node needs [[peers]]"),
        ("[node]\nlisten = '0.0.0.0:11112'\ninsecure = true", "beyond loopback a node needs [[peers]]"),
        (
            "[node]\nlisten = '0.0.0.0:11112'\n[[peers]]\nae_title = 'A'\naddresses = []",
            "beyond loopback a node needs [tls]",
        ),
        (
            "[node]\nlisten = '0.0.0.0:1'\nweb_listen='0.0.0.0:2'\ninsecure = true\n[[peers]]\nae_title='A'",
            "node.web_token_file",
        ),
        ("[node]\nlisten = '0.0.0.0:11112'\nweb_listen = '0.0.0.0:80'\ninsecure = false", "beyond loopback"),
        ("[tls]\ncertificate = 'a.pem'", "tls: certificate and key belong together"),
        ("[[peers]]\nae_title = 'A'\naddresses = ['10.0.0.1/8']", "peers[0].addresses"),
        ("[[rules]]\nunit = 'study'", "rules[0].unit: give series or instance"),
        ("[[rules]]\nmodality = 'CT'", "rules[0].modality: give a list"),
        (DESTINATION, "destinations[0]: give either address and ae_title"),
        (DESTINATION + "url = 'http://pacs.example/dicom-web'", "beyond loopback results go by https"),
        (DESTINATION + "url = 'https://p.example/d'\ncommitment = true", "commitment: is a service of DIMSE"),
        (DESTINATION + "address = 'pacs:104'\nae_title = 'A'\ntls = true", "needs tls.ca"),
        (DESTINATION + "address = 'pacs:104'\nae_title = 'A'\nresults = ['pdf']", "pdf is none of report"),
    ],
)
def test_what_is_wrong_is_said_by_its_key(tmp_path, text, said):
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text)
    assert said in str(caught.value)


def test_the_environment_says_where_to_listen_and_keep(tmp_path):
    environment = {
        "MEDMESH_LISTEN": "0.0.0.0:1104",
        "MEDMESH_INSECURE": "1",
        "MEDMESH_DICOM_SPOOL": str(tmp_path),
    }
    file = tmp_path / "node.toml"
    file.write_text(
        (ROOT / "clients" / "dicom_node" / "node.toml").read_text() + "[[peers]]\nae_title = 'CT01'\n"
    )
    node = configured(file, environment).node
    assert (node.listen, node.spool, node.ae_title) == ("0.0.0.0:1104", tmp_path, "MEDMESH")


def test_a_peer_is_known_by_title_and_address():
    peer = Peer(ae_title="CT01", addresses=("10.1.2.0/24", "::1"))
    assert peer.allows("CT01", "10.1.2.3")
    assert peer.allows("CT01", "::ffff:10.1.2.3")
    assert not peer.allows("CT01", "10.1.3.3")
    assert not peer.allows("CT02", "10.1.2.3")


def test_the_first_rule_that_fits_counts():
    rules = (
        Rule(modality=("CT",), description=("*head*",)),
        Rule(modality=("CT",), analyze=False),
        Rule(sender=("DX0?",)),
    )
    assert first_that_fits(rules, Header(modality="CT", series_description="Axial HEAD 5mm")) == 0
    assert first_that_fits(rules, Header(modality="CT", study_description="CT Head w/o")) == 0
    assert first_that_fits(rules, Header(modality="CT", series_description="Abdomen")) == 1
    assert first_that_fits(rules, Header(modality="DX", sender="DX01")) == 2
    assert first_that_fits(rules, Header(modality="DX", sender="CR01")) is None
