"""Content-addressed store of bundles: looked up by what went into them, verified on read.

Layout of the cache folder::

    bundles/<first two digits>/<key>/       a bundle; its mtime is when it was last asked for
    bundles/<first two digits>/.<key>-*/    a bundle that is being made, or removed
    locks/<key>.lock                        held by who makes, reads or removes the bundle
    leases/<id>.lock, <id>.keys             a process, and the bundles that it works with
"""

from conformance.cache.key import ENGINE, bundle_key, opset_key, variant_key
from conformance.cache.store import BundleCache

__all__ = ["ENGINE", "BundleCache", "bundle_key", "opset_key", "variant_key"]
