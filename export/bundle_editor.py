"""Adding files to a bundle that others may be reading, or adding to, at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from ermu.errors import BundleError
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.manifest import Manifest
from ermu.runtime.bundle.parts import FileInfo
from ermu.runtime.files import replace_atomically


def add_to_bundle(bundle: Bundle, files: Mapping[str, Path], edit: Callable[[Manifest], Manifest]) -> Bundle:
    """Moves finished files into a bundle and rewrites its manifest, all under the bundle's lock.

    Files come first, under names made from their content, the manifest next and the removal of files that it
    no longer mentions last: whoever reads without the lock sees the bundle as it was or as it will be.

    Args:
        bundle: As it was loaded.
        files: Finished files on the same file system, by their path in the bundle.
        edit: Makes the new manifest from the current one, which others may have changed in the meantime.

    Returns:
        The bundle, loaded anew.

    Raises:
        BundleError: the bundle was exported anew in the meantime.
        SinkError: it cannot be written; it is as it was.
    """
    with bundle_lock(bundle.path):
        current = Bundle.load(bundle.path)
        if current.manifest.graphs != bundle.manifest.graphs:
            raise BundleError(
                f"{bundle.path} was exported anew while something was being built for it.",
                fix="run the build again",
            )
        manifest = edit(current.manifest)
        for name, file in files.items():
            target = bundle.path / name
            target.parent.mkdir(exist_ok=True)
            file.replace(target)
        with replace_atomically(bundle.path / "manifest.json") as temporary:
            temporary.write_text(manifest.to_json())
        for name in mentioned_files(current.manifest) - mentioned_files(manifest):
            (bundle.path / name).unlink(missing_ok=True)
        return Bundle.load(bundle.path)


@contextmanager
def bundle_lock(path: Path) -> Iterator[None]:
    """Holds a bundle's lock file; it is released when the process ends, however it ends."""
    with FileLock(path / ".lock"):
        yield


def mentioned_files(manifest: Manifest) -> set[str]:
    """Every file that a manifest lists."""
    listed: list[FileInfo] = [*manifest.graphs.values(), *manifest.weights, *manifest.kernel_weights]
    for variant in manifest.variants.values():
        listed += [*variant.graphs.values(), *variant.weights]
    return {info.file for info in listed} | {engine.file for engine in manifest.engines}
