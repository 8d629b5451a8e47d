#!/usr/bin/env bash
# Builds the image and says how large it is and what takes the space. `make image` calls it.
#   image.sh NAME [--build-arg NAME=VALUE ...]      arguments after the name go to the build
set -euo pipefail
cd "$(dirname "$0")/.."
image=$1
shift
docker info >/dev/null 2>&1 || { echo "No container engine answers; start one (docker info says why not)."; exit 1; }
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' solid/__init__.py)
sha=$(git describe --always --dirty --abbrev=40 '--exclude=*' 2>/dev/null || echo unknown)
docker build --quiet --tag "$image" --build-arg VERSION="$version" --build-arg GIT_SHA="$sha" "$@" . >/dev/null
docker image inspect --format '{{.Size}}' "$image" |
    awk -v image="$image" -v version="$version" -v sha="$sha" '{printf "%s  %.2f GB  version %s  git %s\n", image, $1 / 1e9, version, sha}'
echo "Layers:"
docker history --format '{{.Size}}\t{{.CreatedBy}}' "$image" | grep -v '^0B' | cut -c1-110 | sed 's/^/  /'
echo "Largest packages, MB:"
docker run --rm --network none --entrypoint sh "$image" -c \
    'cd /opt/solid/lib/python3*/site-packages && du -sm -- * | sort -rn | head -n 8 | sed "s/^/  /"'
