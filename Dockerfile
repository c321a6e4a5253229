# Two stages, so that the image has nothing of the build. No `RUN --mount`: nektos/act uses Docker's classic builder.
# Releases set it to the digest in requirements/base/Dockerfile. A build on the spot takes the tag.
ARG BASE=python:3.13-slim-trixie
FROM ${BASE} AS build
SHELL ["/bin/sh", "-euc"]
# PYTHONHASHSEED: the same sources result in the same bytecode.
ENV PIP_COMPILE=0 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONHASHSEED=0
WORKDIR /build

# Dependencies first, because they change less often than the code.
COPY requirements/build.txt requirements/runtime.txt ./
RUN python3 -m venv tools; \
    python3 -m venv --without-pip /opt/promote; \
    tools/bin/pip install --require-hashes --no-deps -r build.txt; \
    tools/bin/pip --python /opt/promote/bin/python install --require-hashes --no-deps -r runtime.txt

COPY pyproject.toml README.md LICENSE ./
COPY promote promote
RUN tools/bin/python -m hatchling build --target wheel; \
    tools/bin/pip --python /opt/promote/bin/python install --no-deps --no-index --find-links dist promote-on-success

# Files that are not needed are removed:
# - botocore's descriptions of 400 services (27 MB), except those of the clients;
# - the tests of actions-toolkit, which are installed as a package;
# - the scripts of the virtual environment and the packages, because their folder is on no PATH.
# The bytecode does not check whether its source is newer, because nothing changes in an image. Large modules that are
# never loaded (dulwich's command line and network, pygments' lexers except those of pytest) have none, which saves 4 MB.
COPY entrypoint.py /opt/promote/
RUN site=$(echo /opt/promote/lib/python3*/site-packages); \
    services=$(/opt/promote/bin/python -I -c "from promote.aws.clients import SERVICES; print(*SERVICES, sep='|')"); \
    find "$site/botocore/data"/* -maxdepth 0 -type d -regextype egrep ! -regex ".*/($services)" -exec rm -r {} +; \
    rm -r "$site/tests"; \
    find /opt/promote/bin -type f -delete; \
    find "$site" -name __pycache__ -prune -exec rm -r {} +; \
    python3 -m compileall -q --invalidation-mode unchecked-hash \
        -x '/dulwich/(cli|client|porcelain|server)\b|/pygments/lexers/(?!(__init__|_mapping|diff|python)\.)' "$site"; \
    ln -s entrypoint.py /opt/promote/post


FROM ${BASE}
LABEL org.opencontainers.image.title="promote-on-success" \
      org.opencontainers.image.description="Deploys an AWS Lambda function, verifies it, and promotes it on success" \
      org.opencontainers.image.licenses="Apache-2.0"
# post is a link to the entry point. The post step is the same program with another name, because the runner passes it no
# arguments.
COPY --from=build /opt/promote /opt/promote
# The base image has no bytecode of the standard library. An import writes that of the modules in use.
RUN PYTHONHASHSEED=0 /opt/promote/bin/python -P -c "import encodings.cp437, encodings.unicode_escape, netrc; \
    import boto3, dulwich.repo, jinja2, jmespath, pytest, requests, yaml, importlib, pkgutil, promote; \
    [importlib.import_module(found.name) for found in pkgutil.walk_packages(promote.__path__, 'promote.')]"

# No USER: the workspace and the files for outputs and summary belong to the runner's user, whose id differs between
# runners. Only root can write them everywhere, and GitHub requires it:
# https://docs.github.com/en/actions/reference/workflows-and-actions/dockerfile-support#user
#
# The container gets the job's PATH and PYTHONPATH, and its working directory is the user's repository. So the
# interpreter's path is absolute, and -I ignores all three for imports. -u: the log is not buffered.
ENTRYPOINT ["/opt/promote/bin/python", "-I", "-u", "/opt/promote/entrypoint.py"]
