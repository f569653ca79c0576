"""From files in memory to a zip that has the same bytes whenever and wherever it is made."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip of these files by name, in that order, each readable by its owner only."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name)  # of 1980, whenever it is made
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # Unix, whose rights follow
            info.external_attr = 0o100600 << 16
            archive.writestr(info, files[name])
    return written.getvalue()
