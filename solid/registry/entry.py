"""What MLflow runs when it loads a registered version: the package comes with it, as one archive beside this file.

Where this is a part of the package itself, as while a version is logged, there is no archive and none is needed.
"""

import sys
from pathlib import Path

import mlflow

archive = Path(__file__).parent / "code" / "solid.zip"
if archive.is_file():
    sys.path.insert(0, str(archive))

from solid.registry.serving import SolidRecommender  # noqa: E402

mlflow.models.set_model(SolidRecommender())
