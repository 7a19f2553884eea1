"""A copy of a bundle to build in, where the bundle itself is not the user's to change."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from ermu.errors import SinkError
from ermu.export.precision.trial import copy_bundle
from ermu.kernels.cache import cache_folder
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.files import sha256_of, unwritable


def bundle_to_build_in(bundle: Bundle, out: Path | None = None) -> Bundle:
    """The bundle itself; or its copy in `out`, or in the user's cache folder where it is not the user's own.

    Args:
        bundle: As it was loaded.
        out: Folder for a copy: new, empty, or one that holds a copy already, which is gone on with.

    Raises:
        SinkError: something else lies there, or it cannot be written.
    """
    if out is None:
        name = bundle.package_name or (bundle.manifest.network.name if bundle.address else None)
        if name is None:
            return bundle
        digest = sha256_of(bundle.path / "manifest.json")[:12]
        out = cache_folder("bundles") / f"{name}-{digest}"
    if out.resolve() == bundle.path.resolve():
        return bundle
    if (out / "manifest.json").is_file():
        copied = Bundle.load(out)
        if copied.manifest.graphs == bundle.manifest.graphs:
            return copied
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SinkError(
            f"{out} exists, and holds no copy of {bundle.path}.",
            expected="a folder that is new or empty, or an earlier copy of the same bundle",
            fix="choose another --out",
        )
    return _copied(bundle, out)


def _copied(bundle: Bundle, out: Path) -> Bundle:
    """Copies whole or not at all."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        try:
            copied = copy_bundle(bundle, folder)
            manifest = copied.manifest.model_copy(update={"engines": ()})
            (folder / "manifest.json").write_text(manifest.to_json())
            folder.chmod(0o755)
            folder.replace(out)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise unwritable(out, error) from error
    return Bundle.load(out)
