# One image for each service of the mesh, and one for the embedded Triton (compose.yaml says which is which):
#   docker build --build-arg SERVICE=imaging -t medmesh/imaging .
#   docker build --build-arg ENVIRONMENT=triton --build-arg SERVICE=local.triton -t medmesh/triton .
# The four services share every layer but the last. Models are not in the images: triton_repo/ is mounted.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${PYTHON_IMAGE}

# services, triton or that of a door: which of the project's environments to make (see tools/bootstrap.py).
ARG ENVIRONMENT=services
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PATH=/app/.venv/bin:$PATH
WORKDIR /app

# The embedded Triton needs libpython, which Debian's own Python comes without.
RUN if [ "$ENVIRONMENT" = triton ] && ! ldconfig -p | grep -q 'libpython3\.11\.so\.1\.0'; then \
      apt-get update -q && apt-get install -y -q --no-install-recommends libpython3.11 && rm -rf /var/lib/apt/lists/*; \
    fi

# A user of its own, and the one folder that may be written to where a volume is mounted on it.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin medmesh \
    && install -d -o medmesh -g medmesh /var/lib/medmesh

# Packages first: they change less often than the code.
COPY pyproject.toml topology.toml ./
COPY requirements ./requirements
COPY clients/python/pyproject.toml clients/python/README.md ./clients/python/
COPY tools ./tools
# What installs is not needed afterwards.
RUN python tools/bootstrap.py "$ENVIRONMENT" && rm -rf /root/.cache \
    && if [ "$ENVIRONMENT" != triton ]; then python -m pip uninstall -q -y setuptools pip; fi

COPY clients ./clients
COPY services ./services
COPY samples ./samples
RUN if [ "$ENVIRONMENT" = triton ]; then python -m services.local.triton prepare; fi \
    && python -m compileall -q services tools clients

# What runs in it: a service, or the module of a door (PROGRAM=clients.gateway).
ARG SERVICE
ARG PROGRAM=services.${SERVICE}
ENV MEDMESH_PROGRAM=${PROGRAM}
USER medmesh
CMD ["sh", "-c", "exec python -m $MEDMESH_PROGRAM"]
