# One image for every step of the chain, and a smaller one that serves; `solid` is the entry point of both.
#
#   make image                          for CPU, where that build of PyTorch can be had; else as PyPI has it, with CUDA
#   make image TORCH_BUILD=+cu130       that build, from PyTorch's index
#   make image TORCH_BUILD=             as PyPI has it
#   make image FOR=serve IMAGE=solid-serve:0.1.0
#
# The packages depend on requirements.lock and on what pyproject.toml needs at run time, so that a change of code builds in
# seconds.
ARG BASE_IMAGE=python:3.11-slim-bookworm
# steps or serve: what solid serve needs in place of what only training and reports do.
ARG FOR=steps

FROM ${BASE_IMAGE} AS requirements
ARG FOR
WORKDIR /build
COPY pyproject.toml requirements.lock scripts/requirements_of.py ./
RUN python3 requirements_of.py "$FOR" >requirements.txt

FROM ${BASE_IMAGE} AS packages
ARG TORCH_BUILD=auto
ARG FOR
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# An environment without pip, filled by the pip of the base image: nothing that installs or builds goes into the image.
RUN python3 -m venv --without-pip /opt/solid
COPY scripts/install_torch.py /build/
COPY --from=requirements /build/requirements.txt /build/requirements.lock /build/
# Of what is installed, headers, static libraries and setuptools, with which PyTorch builds extensions, are for building,
# and the packages' own tests for testing; SymPy, mpmath
# and networkx are for compiling models, which a server does not.
RUN python3 /build/install_torch.py --python /opt/solid/bin/python --lock /build/requirements.lock \
    && python3 -m pip --python /opt/solid/bin/python install --quiet -c /build/requirements.lock -r /build/requirements.txt \
    && cd /opt/solid/lib/python3.11/site-packages \
    && rm -rf torch/include torch/share torch/test pyarrow/include numpy/_core/include \
    && find numpy pandas pyarrow scipy -type d -name tests -prune -exec rm -r {} + \
    && find torch/bin -type f ! -name torch_shm_manager -delete \
    && find . -name '*.a' -delete \
    && python3 -m pip --python /opt/solid/bin/python uninstall --quiet --yes setuptools \
        $(test "$FOR" = steps || echo sympy networkx mpmath)

FROM packages AS code
WORKDIR /build
COPY pyproject.toml README.md ./
COPY solid solid
RUN python3 -m pip --python /opt/solid/bin/python install --quiet --no-deps --prefix /code . \
    && rm /code/bin/solid-pipeline  # needs kfp, which stays outside

FROM ${BASE_IMAGE}
# What the base image builds and installs with goes, too. Its layer stays as large as it is, but nobody can run these any more.
RUN find /usr -regextype egrep '(' -regex '.*/bin/(pip|wheel|easy_install|git)[^/]*' \
        -o -regex '.*/(dist|site)-packages/(pip|setuptools|wheel|pkg_resources|_?distutils)[^/]*' \
        -o -regex '.*/(ensurepip|python-wheels|git-core)' ')' -prune -exec rm -r {} +
COPY --from=packages /opt/solid /opt/solid
COPY --from=code /code /opt/solid
# Home and caches lie in /tmp: with a read-only root file system, mount something writable there.
ENV PATH=/opt/solid/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
ARG VERSION=unknown
ARG GIT_SHA=unknown
LABEL org.opencontainers.image.title="solid" \
      org.opencontainers.image.description="Every step of SOLID, from raw data to a registered model" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${GIT_SHA}"
# A container that ends with an error is not made again by Kubeflow, so a step itself waits for a server that is away.
# One thread unless a step is told otherwise (training.threads): sums of several threads differ in their last bits.
ENV SOLID_GIT_SHA=${GIT_SHA} SOLID_PATIENCE=300 OMP_NUM_THREADS=1
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["solid"]
CMD ["--help"]
