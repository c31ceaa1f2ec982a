"""What is in a pickle, told from its opcodes: nothing of it is ever built, imported or run."""

from __future__ import annotations

import io
import itertools
import pickletools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from workbench.files import open_file, open_zip

LARGEST_PICKLE, MOST_OPCODES = 32 * 2**20, 1_500_000
"""Bytes and steps of a pickle that are looked at; that of a network of a thousand tensors takes 50 thousand steps."""
INERT = re.compile(
    r"argparse\.Namespace|types\.SimpleNamespace|collections\.defaultdict|typing\.Any|uuid\.UUID"
    r"|datetime\.(datetime|date|timedelta|timezone)|pathlib(\._local)?\.(Pure)?(Posix|Windows)?Path"
    r"|numpy(\._core|\.core)?\.multiarray\.(scalar|_reconstruct)|numpy\.(dtype|ndarray)|numpy\.dtypes\.\w+"
    r"|torch\.torch_version\.TorchVersion|omegaconf\.\w+\.\w+|easydict\.EasyDict|munch\.Munch|addict(\.addict)?\.Dict"
    r"|(\w+\.)*(AttributeDict|CfgNode|ConfigDict|HistoryBuffer|TrainerFn|Box)"
    r"|(__builtin__|builtins)\.(int|float|str|bool|dict|list|tuple|set)"
)
"""Classes that hold settings and records beside weights; an empty stand-in takes their place."""
_PLAIN = re.compile(
    r"torch\.\w+|torch\._(utils|tensor)\.\w+|torch\.(nn\.)?(storage|parameter)\.\w+|_codecs\.encode"
    r"|collections\.(OrderedDict|Counter)|(__builtin__|builtins)\.(set|bytearray|complex)"
)
_EXPORTS = (
    (r"ultralytics\.|models\.yolo\.", "an Ultralytics model",
     'run `yolo export model={name} format=onnx` where it was trained'),
    (r"fastai\.|fastcore\.", "a fastai learner",
     'run `torch.save(learn.model.state_dict(), "model.pth")` where it was trained'),
    (r"sklearn\.|xgboost\.|lightgbm\.|catboost\.", "a model of another library",
     "give an image classifier of PyTorch, or export it to ONNX"),
    (r"torch\.nn\.|torchvision\.models\.|timm\.(models|layers)\.|transformers\.", "a whole pickled module",
     'run `torch.save(model.state_dict(), "model.pth")` where it was trained'),
)  # fmt: skip
"""Whose classes they are, what such a file is, and the line that takes the weights out of it."""


def classes_in(path: Path) -> tuple[str, ...]:
    """The classes and functions that a file's pickles name, in order, but for those that tensors are made of; none
    where it is damaged."""
    try:
        names = dict.fromkeys(name for data in _pickles(path) for name in _globals(data))
    except Exception:  # zipfile raises its own kinds on a damaged record
        return ()
    return tuple(name for name in names if not _PLAIN.fullmatch(name))


def reason(path: Path, classes: tuple[str, ...]) -> str:
    """Why a file that names such `classes` is not opened, and what to do instead: the end of a sentence."""
    shown = [name for name in classes if re.fullmatch(r"[\w.]{1,100}", name)][:3]
    for family, kind, remedy in _EXPORTS:
        own = [name for name in classes if re.match(family, name)]
        if own:
            return (
                f"it holds pickled objects, which could run code: {kind}, with {', '.join(own[:2])}): "
                + remedy.format(name=path.name)
            )
    named = f": {', '.join(shown)}" if shown else ""
    return (
        f"it holds pickled objects, which could run code{named}): save the state dict alone as .safetensors, or run"
        f' `torch.save(torch.load("{path.name}", weights_only=False)["state_dict"], "model.pth")` where you trust it'
    )


def _pickles(path: Path) -> Iterator[bytes]:
    with open_file(path) as file:
        start = file.read(LARGEST_PICKLE)
    if not start.startswith(b"PK\3\4"):
        yield start
        return
    with open_zip(path, path.name) as archive:
        for member in archive.infolist():
            if member.filename.endswith(".pkl") and member.compress_type == zipfile.ZIP_STORED:
                with archive.open(member) as record:
                    yield record.read(LARGEST_PICKLE)


def _globals(data: bytes) -> Iterator[str]:
    """Names in the pickles that follow each other in `data`, as far as they can be read."""
    stream = io.BytesIO(data)
    words: list[str] = []
    memo: dict[int, str] = {}
    try:
        for opcode, argument, _ in itertools.islice(_opcodes(stream), MOST_OPCODES):
            if opcode in ("GLOBAL", "INST"):
                yield str(argument).replace(" ", ".")
            elif opcode == "STACK_GLOBAL" and len(words) > 1:
                yield ".".join(words[-2:])
            elif isinstance(argument, str) and "UNICODE" in opcode:
                words.append(argument)
            elif opcode in ("MEMOIZE", "BINPUT", "LONG_BINPUT"):
                memo[argument if isinstance(argument, int) else len(memo)] = words[-1] if words else ""
            elif opcode in ("BINGET", "LONG_BINGET"):
                words.append(memo.get(argument, "") if isinstance(argument, int) else "")
    except Exception:  # pickletools raises its own kinds where a pickle ends or is damaged
        return


def _opcodes(stream: io.BytesIO) -> Iterator[tuple[str, object, int | None]]:
    while True:
        yield from ((code.name, argument, at) for code, argument, at in pickletools.genops(stream))
