"""The HTTP door: every call of the mesh as JSON over HTTP, as Connect and as gRPC-Web (docs/http.md)."""
