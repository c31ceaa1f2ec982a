"""TIFF of any depth and number of channels, through tifffile; its sizes are bounded before anything is decoded."""

from __future__ import annotations

import io
import logging
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.images.raster import MOST_CHANNELS, Raster, check_shape, raster_of, turned

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
ORIENTATION = 274
PLAIN, DEFLATE = 1, (8, 32946)
"""Compressions that tifffile undoes without help."""
PHOTOMETRIC = {3: "a palette", 5: "CMYK", 6: "YCbCr", 8: "CIE L*a*b*", 32803: "a colour filter array (raw sensor data)"}
INFLATED = 2**28
"""Bytes that a piece of a file may inflate to without being looked at first."""


class OtherDecoderError(Exception):
    """What another decoder may know.

    Attributes:
        packing: How the values are packed; empty where tifffile takes the file for none.
    """

    def __init__(self, packing: str = "") -> None:
        super().__init__(packing)
        self.packing = packing


def read_tiff(data: bytes | Path, name: str, *, bands: bool = False) -> Raster | None:
    """The values of a TIFF; None where its first page is 8-bit grey or colour, and no more is wanted.

    Args:
        data: Its bytes, or where it lies, to be mapped where it is not compressed.
        name: What errors call it.
        bands: Whether the pages are channels, and all channels are wanted, also of 8 bits.

    Raises:
        InputError: It holds more than the limits, or what cannot be read as numbers, or is damaged.
        OtherDecoderError: It is compressed in a way that tifffile does not undo.
    """
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what is wrong with a file is said once, by the error
    try:
        with tifffile.TiffFile(io.BytesIO(data) if isinstance(data, bytes) else data) as file:
            pages = _pages(file)
            first = pages[0]
            if _plain(first) and not bands and first.index == 0 and not (file.is_bigtiff and file.byteorder == ">"):
                return None
            return _read(file, pages if bands and first.samplesperpixel == 1 else pages[:1], data, name, bands)
    except (InputError, OtherDecoderError, MemoryError):
        raise
    except Exception as error:  # tifffile raises many kinds on damaged data
        if isinstance(error, tifffile.TiffFileError):  # another reader may know it, and says what is wrong otherwise
            raise OtherDecoderError from None
        raise InputError(f"{name} is damaged or cut off and cannot be decoded: export or copy it again.") from None


def _pages(file: TiffFile) -> list[TiffPage]:
    """The first page that is no smaller copy of another, and those like it, one more than the limit at most."""
    pages: list[Any] = []
    for number in range(MOST_CHANNELS + 1):
        try:
            page = file.pages[number].aspage()
        except IndexError:
            break
        if not page.is_reduced and (not pages or (page.shape == pages[0].shape and page.dtype == pages[0].dtype)):
            pages.append(page)
    return pages or [file.pages[0].aspage()]


def pages_alike(data: bytes | Path) -> tuple[str, int]:
    """The type of the values of a TIFF, as "u2", and how many pages lie in it that are like the first, up to a limit.

    Only directories are read. Raises what tifffile does.
    """
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    with tifffile.TiffFile(io.BytesIO(data) if isinstance(data, bytes) else data) as file:
        pages = _pages(file)
        kind = pages[0].dtype
        return ("u1" if kind is None else kind.str.lstrip("<>|=")), len(pages)


def _plain(page: TiffPage) -> bool:
    """Whether Pillow reads all that the page holds."""
    samples, photometric = page.samplesperpixel, int(page.photometric)
    if page.dtype is not None and page.dtype.kind not in "ub":  # Pillow takes signed bytes for counts
        return False
    return page.bitspersample <= 8 and (
        (samples == 1 and photometric in (0, 1, 3))
        or (samples == 2 and _alpha(page))
        or (samples in (3, 4) and photometric in (2, 5, 6, 8))
    )


def _alpha(page: TiffPage) -> bool:
    return bool(page.extrasamples) and int(page.extrasamples[-1]) in (1, 2)


def _read(file: TiffFile, pages: list[TiffPage], data: bytes | Path, name: str, bands: bool) -> Raster:
    import tifffile

    first = pages[0]
    kind, photometric = first.dtype, int(first.photometric)
    if kind is None or first.imagedepth > 1:
        raise InputError(f"{name} holds values of a kind that is not read: save counts or floats, one plane a page.")
    if photometric not in (0, 1, 2) and not (photometric == 5 and bands):
        what = PHOTOMETRIC.get(photometric, f"the colour space {photometric}")
        raise InputError(f"{name} holds {what} in {first.bitspersample} bits: save it as grey or RGB.")
    if _alpha(first) and int(first.extrasamples[-1]) == 1:
        raise InputError(f"{name} holds colours multiplied by their transparency: save it without transparency.")
    samples, height, width = first.samplesperpixel, first.imagelength, first.imagewidth
    check_shape((height, width, samples * len(pages)), kind.itemsize, name)
    if int(first.compression) not in (PLAIN, *DEFLATE) or first.bitspersample not in (1, 8, 16, 32, 64):
        packing = f"{tifffile.COMPRESSION(first.compression).name} in {first.bitspersample} bits"
        if first.index:
            raise InputError(
                f"{name} begins with a smaller copy of its image, and holds the image itself as {packing}, which is not"
                " read there: save it without the copy."
            )
        raise OtherDecoderError(packing)
    planes = [_page(file, page, data, name) for page in pages]
    values = planes[0] if len(planes) == 1 else np.concatenate(planes, -1)
    if photometric == 0:  # white is zero
        values = (np.iinfo(kind).max if kind.kind == "u" else values.max()) - values
    turn = first.tags.get(ORIENTATION)
    values = turned(values, int(turn.value) if turn is not None else 1)
    return raster_of(values, name, alpha=_alpha(first), notes=_notes(file, len(pages), name))


def _notes(file: TiffFile, used: int, name: str) -> tuple[str, ...]:
    if used > 1:
        return (f"{name} has {used} pages alike: they are read as channels.",)
    pages = _pages(file)
    if pages[0].index:
        return (f"{name} begins with a smaller copy of its image: the image itself is read.",)
    return (f"{name} has more than one page: the first is read.",) if len(pages) > 1 or _differs(file) else ()


def _differs(file: TiffFile) -> bool:
    """Whether the second page is of its own kind: no smaller copy of the first."""
    try:
        return not file.pages[1].aspage().is_reduced
    except IndexError:
        return False


def _page(file: TiffFile, page: TiffPage, data: bytes | Path, name: str) -> NDArray:
    """The values of a page, (H, W, samples)."""
    height, width, samples = page.imagelength, page.imagewidth, page.samplesperpixel
    apart = int(page.planarconfig or 1) == 2 and samples > 1
    shape = (samples, height, width) if apart else (height, width, samples)
    if page.compression in DEFLATE:
        _check_inflated(data, page, name)
    if page.compression == PLAIN and page.is_contiguous and isinstance(data, Path) and page.dtype is not None:
        kind = page.dtype.newbyteorder(file.byteorder)
        values: NDArray = np.memmap(data, kind, "r", page.dataoffsets[0], shape)
    else:
        values = page.asarray().reshape(shape)
    return np.moveaxis(values, 0, -1) if apart else values


def _check_inflated(data: bytes | Path, page: TiffPage, name: str) -> None:
    """Refuse a page of which a piece inflates to far more than its pixels: zlib packs a thousand bytes into one."""
    most = 4 * page.nbytes + INFLATED
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        if 1100 * count <= INFLATED:
            continue
        piece = _piece(data, offset, count)
        inflater, total = zlib.decompressobj(), 0
        while piece and not inflater.eof:
            total += len(inflater.decompress(piece, 2**24))
            piece = inflater.unconsumed_tail
            if total > most:
                raise InputError(f"{name} has far more pixels than its file suggests: export it again.")


def _piece(data: bytes | Path, offset: int, count: int) -> bytes:
    if isinstance(data, bytes):
        return data[offset : offset + count]
    with data.open("rb") as file:
        file.seek(offset)
        return file.read(count)
