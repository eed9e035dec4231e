"""The bundle: a framework-free folder with a model, its test data and where it came from.

Layout::

    model.onnx [model.onnx.data]
    test_data_set_0/{input_0.pb,...,output_0.pb,...}   what onnx_test_runner reads
    reference_fp64/test_data_set_0/{output_0.pb,...}   where the source ran in float64
    margins/test_data_set_0/{output_0.pb,...}          where the source knows how close it was
    probes/<name>/{input_0.pb,...,output_0.pb,...}     other shapes, with what the source answers
    reference_fp64/probes/<name>/{output_0.pb,...}
    components/<name>/                                 a further graph of the same model: a bundle
    bundle.json                                        BundleManifest

A bundle is complete or absent: ``bundle.json`` is written last and lists the digest of
every other file.
"""

from conformance.bundle.data_sets import DataSet, write_data_sets, write_probes
from conformance.bundle.folder import (
    Bundle,
    copy_source_data,
    digest_files,
    read_bundle,
    write_manifest,
)
from conformance.bundle.manifest import (
    COMPONENTS,
    MANIFEST,
    MODEL,
    BundleManifest,
    FileDigest,
    Generation,
    ProbeInfo,
    is_model_file,
)
from conformance.bundle.manifest_file import read_manifest

__all__ = [
    "COMPONENTS",
    "MANIFEST",
    "MODEL",
    "Bundle",
    "BundleManifest",
    "DataSet",
    "FileDigest",
    "Generation",
    "ProbeInfo",
    "copy_source_data",
    "digest_files",
    "is_model_file",
    "read_bundle",
    "read_manifest",
    "write_data_sets",
    "write_manifest",
    "write_probes",
]
