"""What every service stands on.

errors, notices   the typed errors and the notices that domain code raises and adds (pure)
settings          one frozen class a service, read from MEDMESH_*
rpc               server: Service, Parts, run (for `__main__`), running_server (for tests); the frame around
                  every rpc (interceptors: request id, identity, admission, deadline, errors); health, status
models            inference: the seam to the models, which triton implements; card and catalog guard it
upstream          calls to other services of the mesh: deadlines, typed errors, one retry, a breaker
observability     log, telemetry, redaction
"""
