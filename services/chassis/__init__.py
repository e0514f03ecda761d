"""What every service stands on.

settings       one frozen class a service, read from MEDMESH_*
server         Service, Parts, run (for `__main__`), running_server (for tests)
errors         the typed errors that domain code raises; status turns them into google.rpc.Status and back
inference      the seam to the models; triton implements it; catalog guards it with the model cards
interceptors   the frame around every rpc: request id, identity (auth), admission, deadline, errors
request        the request in progress: id, deadline, facts for its log line
upstream       calling another service of the mesh; transport holds gRPC options and TLS
health, telemetry, log, redaction, probe
"""
