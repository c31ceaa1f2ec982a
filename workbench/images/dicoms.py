"""DICOM, through pydicom (extra `dicom`): the modality's values, the window that the file states, black as zero."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import InputError
from workbench.images.raster import Raster, check_shape, raster_of

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

DICOM_SUFFIXES = (".dcm", ".dicom")
DEFLATED = "1.2.840.10008.1.2.1.99"


def is_dicom(head: bytes, name: str) -> bool:
    """Whether a file is DICOM, by its first 132 bytes, or by its name where it begins without the usual preamble."""
    return head[128:132] == b"DICM" or name.lower().endswith(DICOM_SUFFIXES)


def read_dicom(data: bytes, name: str) -> Raster:
    """The first frame of a DICOM file: rescaled by slope and intercept, MONOCHROME1 inverted.

    Black and white are the file's first window where it has one, else what its stored bits can hold.

    Raises:
        InputError: pydicom is missing, the file holds no image or is damaged, or it is compressed in a way that nothing
            installed undoes.
    """
    try:
        import pydicom
        from pydicom.pixels.processing import apply_rescale
        from pydicom.pixels.utils import pixel_array
    except ImportError:
        raise InputError(
            f"{name} is DICOM, which needs pydicom: install it with pip install 'explainability-workbench[dicom]'."
        ) from None
    header = None
    try:
        header = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True, force=True)
        _check(header, name)
        stored = pixel_array(io.BytesIO(data), index=0)
        values = apply_rescale(stored, header)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # pydicom and its plugins each raise their own kinds
        if header is not None and ("decompress" in str(error) or "plugin" in str(error)):
            syntax = getattr(getattr(header, "file_meta", None), "TransferSyntaxUID", None)
            raise InputError(
                f"{name} is compressed as {getattr(syntax, 'name', 'something unknown')}, which nothing installed"
                " undoes: install pylibjpeg with its plugins, or export it without compression."
            ) from None
        raise InputError(f"{name} is damaged or cut off and cannot be decoded: export or copy it again.") from None
    return _raster(np.asarray(values), header, name)


def _check(header: FileDataset, name: str) -> None:
    """Refuse what holds no image, or more than the limits, on the header."""
    meta = getattr(header, "file_meta", None)
    rows, columns = header.get("Rows"), header.get("Columns")
    if not rows or not columns:
        raise InputError(f"{name} holds no image: choose a DICOM file with pixels.")
    if meta is not None and str(meta.get("TransferSyntaxUID", "")) == DEFLATED:
        raise InputError(f"{name} is DICOM deflated as a whole, which is not unpacked: export it without compression.")
    bits = int(header.get("BitsAllocated") or 16)
    check_shape((int(rows), int(columns), int(header.get("SamplesPerPixel") or 1)), bits // 8 or 1, name)
    if "PALETTE" in str(header.get("PhotometricInterpretation", "")):
        raise InputError(f"{name} holds a palette, which is not read: export it as RGB or grey.")


def _raster(values: np.ndarray, header: FileDataset, name: str) -> Raster:
    values = values if values.ndim == 3 else values[..., None]
    bits = int(header.get("BitsStored") or 8 * values.dtype.itemsize)
    slope, intercept = float(header.get("RescaleSlope", 1) or 1), float(header.get("RescaleIntercept", 0) or 0)
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if header.get("PixelRepresentation") else (0, 2**bits - 1)
    low, high = sorted((least * slope + intercept, most * slope + intercept))
    window = _first(header.get("WindowCenter")), _first(header.get("WindowWidth"))
    notes = []
    if window[0] is not None and window[1] is not None and window[1] > 0:
        low, high = window[0] - window[1] / 2, window[0] + window[1] / 2
        notes.append(f"{name} states a window from {low:g} to {high:g}: these values are black and white.")
    if int(header.get("NumberOfFrames") or 1) > 1:
        notes.append(f"{name} has {header.NumberOfFrames} frames: the first is read.")
    if header.get("PhotometricInterpretation") == "MONOCHROME1":
        values = low + high - values
        notes.append(f"{name} stores white as its lowest value (MONOCHROME1): it is inverted.")
    return raster_of(values, name, low=low, high=high, notes=tuple(notes))


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    return float(value[0] if hasattr(value, "__len__") and not isinstance(value, str) else value)
