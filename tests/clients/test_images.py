"""How images of every form and size are sent: in a message, in chunks, uploaded; alone and as a series."""

from __future__ import annotations

import io
import zipfile
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.rpc import code_pb2, status_pb2

from medmesh import Client, Overloaded, Unavailable, images
from medmesh.common.v1 import upload_pb2
from medmesh.imaging.v1 import imaging_pb2
from medmesh.imaging.v1.imaging_pb2 import ImageSource
from tests.clients.fake_mesh import error_info

LIMIT = images.UNARY_LIMIT_BYTES


class Store:
    """An UploadService as the contract has it, below the fake mesh."""

    def __init__(self, mesh):
        self.held: dict[str, bytearray] = {}
        self.sizes: dict[str, int] = {}
        self.calls: list[str] = []
        self.break_after: int | None = None
        """After so many chunks the connection breaks, once."""
        mesh.answers |= {
            "StartUpload": self.start,
            "WriteUpload": self.write,
            "QueryUpload": self.query,
            "CancelUpload": self.cancel,
        }

    def start(self, request):
        self.calls.append("start")
        name = f"upload-{len(self.sizes)}"
        self.held[name], self.sizes[name] = bytearray(), request.size_bytes
        return upload_pb2.StartUploadResponse(upload={"upload_id": name, "size_bytes": request.size_bytes})

    def write(self, messages):
        self.calls.append("write")
        for count, message in enumerate(messages):
            if self.break_after == count:
                self.break_after = None
                return status_pb2.Status(code=code_pb2.UNAVAILABLE)
            held = self.held[message.upload_id]
            assert message.offset_bytes == len(held)
            assert len(message.chunk) <= 3 * 1024 * 1024
            held += message.chunk
        return upload_pb2.WriteUploadResponse(upload=self.state(message.upload_id))

    def query(self, request):
        self.calls.append("query")
        return upload_pb2.QueryUploadResponse(upload=self.state(request.upload_id))

    def cancel(self, request):
        self.calls.append(f"cancel {request.upload_id}")
        return upload_pb2.CancelUploadResponse()

    def state(self, name):
        return {"upload_id": name, "size_bytes": self.sizes[name], "committed_bytes": len(self.held[name])}


@pytest.fixture
def store(mesh):
    return Store(mesh)


@pytest.fixture
def small_limits(monkeypatch):
    """Limits that tests reach with little: 1,000 bytes in one piece, 4,000 in a message or stream."""
    monkeypatch.setattr(images, "UNARY_LIMIT_BYTES", 1_000)
    monkeypatch.setattr(images, "MESSAGE_LIMIT_BYTES", 4_000)
    monkeypatch.setattr(images, "CHUNK_BYTES", 100)
    monkeypatch.setattr(images, "UPLOAD_CALL_BYTES", 1_500)


def members(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert {entry.compress_type for entry in opened.infolist()} == {zipfile.ZIP_STORED}
        return {name: opened.read(name) for name in opened.namelist()}


def test_image_at_the_limit_goes_in_one_message(mesh, client):
    client.analyze_image(bytes(LIMIT), models=["a", "b"])
    assert mesh.last.method == "AnalyzeImage"
    [source] = mesh.last.request.sources
    assert len(source.content) == LIMIT
    assert list(mesh.last.request.options.models) == ["a", "b"]


def joined(parts: list[imaging_pb2.AnalyzeImageStreamRequest]) -> bytes:
    assert parts[0].WhichOneof("part") == "options"
    assert {part.WhichOneof("part") for part in parts[1:]} == {"chunk"}
    assert max(len(part.chunk) for part in parts) <= 3 * 1024 * 1024
    return b"".join(part.chunk for part in parts)


def test_image_above_it_is_sent_in_chunks(mesh, client):
    mesh.answers["AnalyzeImageStream"] = imaging_pb2.AnalyzeImageStreamResponse(
        analysis={"body_part": "HEAD"}
    )
    image = bytes(range(256)) * (LIMIT // 256) + b"!"
    assert client.analyze_image(image, body_part="head").body_part == "HEAD"
    assert mesh.last.method == "AnalyzeImageStream"
    assert mesh.last.request[0].options.body_part == "HEAD"
    assert joined(mesh.last.request) == image


async def test_async_client_chunks_too(mesh, async_client, tmp_path):
    path = tmp_path / "large.dcm"
    path.write_bytes(b"x" * (LIMIT + 5))
    await async_client.analyze_image(path)
    assert joined(mesh.last.request) == b"x" * (LIMIT + 5)


def test_a_list_a_folder_and_a_zip_are_one_series(mesh, client, tmp_path):
    folder = tmp_path / "series"
    (folder / "SE0").mkdir(parents=True)
    for name, content in {"SE0/b": b"2", "SE0/a.dcm": b"1", "DICOMDIR": b"no", ".hidden": b"no"}.items():
        (folder / name).write_bytes(content)
    client.analyze_image(folder)
    assert [source.content for source in mesh.last.request.sources] == [b"1", b"2"]
    client.analyze_image([folder / "SE0" / "b", b"raw", str(folder / "SE0" / "a.dcm")])
    assert [source.content for source in mesh.last.request.sources] == [b"2", b"raw", b"1"]
    packed = tmp_path / "series.zip"
    packed.write_bytes(b"PK")
    client.analyze_image(packed)
    assert [source.content for source in mesh.last.request.sources] == [b"PK"]


def test_a_case_takes_several_images_and_a_series_among_them(mesh, client, tmp_path):
    (tmp_path / "series").mkdir()
    for name in ("1", "2"):
        (tmp_path / "series" / name).write_bytes(name.encode())
    client.diagnose(image=[b"a", [b"b", b"c"], tmp_path / "series"])
    found = [[s.content for s in image.sources] for image in mesh.last.request.case.images]
    assert found == [[b"a"], [b"b", b"c"], [b"1", b"2"]]


def test_a_folder_without_files_is_no_image(client, tmp_path):
    (tmp_path / ".hidden").write_bytes(b"x")
    with pytest.raises(ValueError, match="holds no file"):
        client.analyze_image(tmp_path)
    with pytest.raises(ValueError, match="at least one file"):
        client.analyze_image([])


def test_an_address_is_sent_as_one(mesh, client):
    client.analyze_image("https://pacs.example/1.dcm")
    assert mesh.last.request.sources[0].uri == "https://pacs.example/1.dcm"


@pytest.mark.usefixtures("small_limits")
def test_a_file_above_what_a_stream_carries_is_uploaded_and_deleted_after(mesh, client, store):
    image = bytes(range(250)) * 20
    client.analyze_image(image)
    assert store.held == {"upload-0": image}
    assert store.calls == ["start", "write", "write", "write", "write", "cancel upload-0"]
    asked = next(seen for seen in mesh.seen if seen.method == "AnalyzeImage")
    assert list(asked.request.sources) == [ImageSource(upload_id="upload-0")]


@pytest.mark.usefixtures("small_limits")
def test_a_large_series_is_uploaded_as_a_zip_without_its_names(mesh, client, store, tmp_path):
    for number in range(3):
        (tmp_path / f"Doe^Jane-{number}.dcm").write_bytes(bytes([number]) * 500)
    client.analyze_image(tmp_path)
    assert members(store.held["upload-0"]) == {f"{n:05d}": bytes([n]) * 500 for n in range(3)}


@pytest.mark.usefixtures("small_limits")
async def test_async_client_uploads_too(mesh, async_client, store):
    await async_client.analyze_image([b"a" * 900, b"b" * 900])
    assert list(members(store.held["upload-0"]).values()) == [b"a" * 900, b"b" * 900]
    assert store.calls[-1] == "cancel upload-0"


@pytest.mark.usefixtures("small_limits")
def test_of_a_case_that_exceeds_a_message_the_large_images_are_uploaded(mesh, client, store):
    client.diagnose(image=[b"a" * 900, b"b" * 3_500], note="Cough.")
    case = next(seen for seen in mesh.seen if seen.method == "Diagnose").request.case
    assert case.images[0].sources[0].content == b"a" * 900
    assert case.images[1].sources[0].upload_id == "upload-0"
    assert store.held["upload-0"] == b"b" * 3_500
    assert store.calls[-1] == "cancel upload-0"


@pytest.mark.usefixtures("small_limits")
def test_an_upload_goes_on_from_where_the_connection_broke(mesh, client, store):
    store.break_after = 7
    image = bytes(range(250)) * 20
    client.analyze_image(image)
    assert store.held["upload-0"] == image
    assert store.calls[:3] == ["start", "write", "query"]


@pytest.mark.usefixtures("small_limits")
def test_an_upload_that_the_service_refuses_is_given_up_and_deleted(mesh, client, store):
    mesh.fail("WriteUpload", "RESOURCE_EXHAUSTED", "Too much is held.", error_info("OVERLOADED"))
    with pytest.raises(Overloaded):
        client.analyze_image(b"x" * 5_000)
    assert store.calls == ["start", "cancel upload-0"]


@pytest.mark.usefixtures("small_limits")
def test_a_connection_that_never_holds_is_given_up(mesh, addresses, store):
    mesh.answers["WriteUpload"] = lambda _: status_pb2.Status(code=code_pb2.UNAVAILABLE)
    with Client(**addresses, attempts=3) as client, pytest.raises(Unavailable) as caught:
        client.analyze_image(b"x" * 5_000)
    assert caught.value.status is grpc.StatusCode.UNAVAILABLE
    assert [seen.method for seen in mesh.seen].count("WriteUpload") == 3


def test_what_was_uploaded_serves_several_calls(mesh, client, store):
    source = client.upload([b"1", b"2"], service="imaging")
    assert source == ImageSource(upload_id="upload-0")
    client.analyze_image(source, models=["a"])
    client.analyze_image(source, models=["b"])
    assert list(mesh.last.request.sources) == [source]
    assert "cancel upload-0" not in store.calls
    client.cancel_upload(source, service="imaging")
    assert store.calls[-1] == "cancel upload-0"


def test_what_is_elsewhere_cannot_be_uploaded(client, store):
    with pytest.raises(ValueError, match="no addresses"):
        client.upload(["https://pacs.example/1.dcm", b"x"])


def test_content_is_read_from_any_place_by_several_threads(tmp_path):
    """The sender of a call that broke may still read while the next one does."""
    path = tmp_path / "large"
    whole = bytes(range(256)) * 4096
    path.write_bytes(whole)
    offsets = [(index * 7919) % len(whole) for index in range(4_000)]
    with images.opened([path]) as content, ThreadPoolExecutor(8) as threads:
        parts = threads.map(lambda offset: content.part(offset, 512), offsets)
        assert all(part == whole[o : o + 512] for part, o in zip(parts, offsets, strict=True))
        assert content.size_bytes == len(whole)
