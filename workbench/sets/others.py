"""What a file is that no layout uses and that is no image that is read: by its ending, else by its first bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from workbench.errors import InputError
from workbench.images import SUFFIXES, FileSource, LeftOut, Source, no_images
from workbench.sets.clutter import ARCHIVES

NO_IMAGE = "no image or table"
PACKED = "archives, which are not looked into: unpack them"
NAMELESS = "images without an ending, which says that they are some: add one, such as .{}"
BY_ENDING = {
    ".heic .heif .hif": "HEIC images, which are not read: save them as JPEG or PNG",
    ".cr2 .cr3 .crw .nef .nrw .arw .sr2 .dng .orf .rw2 .raf .pef .srw .x3f .3fr .iiq .raw": (
        "raw files of cameras, which are not read: develop them to TIFF or PNG"
    ),
    ".svg .svgz .eps .ai .wmf .emf": "drawings, not pixels: save them as PNG",
    ".pdf .ps .djvu": "documents: export their images",
    ".psd .psb .xcf .kra": "files of image editors, with layers: save them as PNG or TIFF",
    ".mp4 .avi .mov .mkv .wmv .webm .m4v .mpg .mpeg .mts": "videos: save the frames that count as images",
    ".ndpi .svs .mrxs .vms .scn .czi .nd2 .lif .oib .oif .vsi": "microscope slides: save regions of them as TIFF",
    ".nii .nrrd .mha .mhd .ply .pcd .stl .obj .las .laz": "volumes and point clouds: save slices as images",
    ".exr .hdr .dib .ico .icns .tga .pcx .dds .jxl .jxr .wdp .flif .qoi .fits .fit": (
        "images of a kind that is not read: save them as PNG or TIFF"
    ),
    ".npz .mat .h5 .hdf5 .tfrecord .tfrecords .lmdb .mdb .arrow .pickle .pkl .pt .pth": (
        "arrays or data sets in one file, which are not unpacked: save each image as a file"
    ),
}
ENDINGS = {ending: kind for endings, kind in BY_ENDING.items() for ending in endings.split()} | dict.fromkeys(
    ARCHIVES, PACKED
)
FIRST_BYTES = {
    b"\xff\xd8\xff": "jpg", b"\x89PNG\r\n": "png", b"GIF8": "gif", b"BM": "bmp", b"II*\0": "tif", b"MM\0*": "tif",
    b"II+\0": "tif", b"MM\0+": "tif", b"\x93NUMPY": "npy", b"\0\0\0\x0cjP  ": "jp2",
}  # fmt: skip
PEEKED_AT = 20
"""Files without an ending of which the first bytes are read, in each folder."""


def reasons(files: Mapping[PurePosixPath, Source]) -> dict[PurePosixPath, str]:
    """Why each of these files, none of which is used, is no image that is read.

    Of files without an ending a few in each folder are looked at; where all of them are images of one kind, so are the
    others taken to be.
    """
    result = {path: ENDINGS.get(path.suffix.lower(), NO_IMAGE) for path in files}
    folders: dict[PurePosixPath, list[PurePosixPath]] = {}
    for path in files:
        if not path.suffix:
            folders.setdefault(path.parent, []).append(path)
    for paths in folders.values():
        kinds = [_kind(files[path]) for path in paths[:PEEKED_AT]]
        for place, path in enumerate(paths):
            same = kinds[0] if len(set(kinds)) == 1 else None
            kind = kinds[place] if place < PEEKED_AT else same
            if kind is not None:
                result[path] = NAMELESS.format(kind)
    return result


def nothing_read(name: str, listed: Mapping[PurePosixPath, Source], passed_over: Iterable[LeftOut] = ()) -> InputError:
    """What to say where nothing of a set is an image that can be read."""
    kinds = Counter(reason for reason in reasons(listed).values() if reason != NO_IMAGE)
    kinds.update({group.reason: len(group.names) for group in passed_over if any(map(_may_hold, group.names))})
    if not kinds:
        return no_images(name)
    reason, count = kinds.most_common(1)[0]
    what = "" if ": " in reason else ": add images, or name the folder that holds them"
    files = "1 file" if count == 1 else f"{count:,} files"
    return InputError(f"{name} holds no images of a kind that is read; {files} left out, {reason}{what}.")


def _may_hold(name: str) -> bool:
    """Whether a name that was passed over is that of a folder, or of an image."""
    return name.endswith("/") or is_read(PurePosixPath(name))


def is_read(path: PurePosixPath) -> bool:
    """Whether a file has the ending of an image that is read."""
    return path.suffix.lower() in SUFFIXES


def _kind(source: Source) -> str | None:
    """The ending that a file should have, by its first bytes; None where it is no image."""
    try:
        if isinstance(source, FileSource):
            with source.path.open("rb") as file:
                head = file.read(16)
        else:
            head = source.read()[:16]
    except Exception:  # damaged or gone: it is told as what it is called
        return None
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    return next((kind for magic, kind in FIRST_BYTES.items() if head.startswith(magic)), None)
