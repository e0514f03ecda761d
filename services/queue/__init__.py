"""The durable queue: work that outlives its process, in SQLite or PostgreSQL, with one result for each item.

`medmesh archive` and the jobs service stand on it. It knows nothing of medicine, gRPC or the mesh: payloads
and results are bytes.
"""
