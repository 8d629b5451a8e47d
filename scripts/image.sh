#!/usr/bin/env bash
# Builds the container image NAME and says how large it is and what takes the space. `make image` calls it.
# BASE_IMAGE, TORCH_BUILD and FOR of the environment go to the build, see Dockerfile.
set -euo pipefail
cd "$(dirname "$0")/.."
image=${1:?image.sh NAME}
docker info >/dev/null 2>&1 || { echo "No container engine answers; start one (docker info says why not)."; exit 1; }
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' solid/__init__.py)
sha=$(git describe --always --dirty --abbrev=40 '--exclude=*' 2>/dev/null || echo unknown)
echo "Building $image (three to ten minutes when pinned packages have changed) ..."
docker build --quiet --tag "$image" --build-arg VERSION="$version" --build-arg GIT_SHA="$sha" \
    --build-arg BASE_IMAGE --build-arg TORCH_BUILD --build-arg FOR . >/dev/null
bytes=$(docker image inspect --format '{{.Size}}' "$image")
echo "$image  $((bytes / 1000000)) MB  version $version  git $sha"
docker run --rm --network none --interactive --entrypoint python "$image" - --target image --say "$((bytes / 1000000)) MB" \
    <scripts/install_torch.py
echo "layers:"
docker history --format '{{.Size}}\t{{.CreatedBy}}' "$image" | grep -v '^0B' | cut -c1-100 | sed 's/^/  /'
echo "largest packages, MB:"
docker run --rm --network none --entrypoint sh "$image" -c \
    'cd /opt/solid/lib/python3*/site-packages && du -sm -- * | sort -rn | head -n 8 | sed "s/^/  /"'
