"""Bundles whose model was made of another bundle's: what they take over, and what is their own."""

from __future__ import annotations

import resource
from dataclasses import replace
from pathlib import Path

from conformance.bundle import MODEL, Bundle, BundleManifest, copy_source_data, digest_files
from conformance.machine import installed_versions
from conformance.model import Case


def derived_manifest(base: Bundle, case: Case, out: Path, nodes: int) -> BundleManifest:
    """Complete the files of a bundle around its model, and say what it is.

    What the source was asked and answered is copied; it is the same source.

    Args:
        base: of whose model this one was made.
        case: that it is the bundle of.
        out: its folder, which holds its model.
        nodes: of the model.

    Returns:
        The manifest, without how the model was made.
    """
    copy_source_data(base, out)
    files = digest_files(out)
    return replace(
        base.manifest,
        case=case,
        versions=installed_versions(),
        # of the model before; who has both frameworks' figures compares them by the source's
        speedups={},
        size_bytes=sum(f.size_bytes for name, f in files.items() if name.startswith(MODEL)),
        nodes=nodes,
        # kilobytes on Linux
        peak_rss_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        files=files,
    )
