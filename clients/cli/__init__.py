"""The `medmesh` command. `diagnose`, `models` and `replay` need medmesh-client, typer and rich, and nothing
of the services.
"""
