"""`workbench run`: check what can be checked, then become the server."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from workbench.catalog import AUDIT_VARIABLE, BESIDE_VARIABLE, IMAGES_VARIABLE, MODEL_VARIABLE, READ_VARIABLE
from workbench.cli.images import ReadOption, load
from workbench.errors import InputError
from workbench.ui.doors import HOSTS_VARIABLE, expected, shown

ModelOption = Annotated[
    str | None,
    typer.Option(
        help="A catalog name, a folder with model.toml or of the Hugging Face hub, an ONNX file, a TorchScript or .pt2 "
        "archive, timm:NAME or torchvision:NAME."
    ),
]
ImagesOption = Annotated[
    str | None, typer.Option(help="A catalog name, a folder, a .zip, or a table that lists the images.")
]


def run(
    model: ModelOption = None,
    images: ImagesOption = None,
    audit: Annotated[
        Path | None, typer.Option(help="The folder that workbench audit wrote for this model and these images.")
    ] = None,
    beside: Annotated[
        Path | None, typer.Option(help="The folder of another model with the same classes, to compare with on Probe.")
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 8501,
    host: Annotated[
        str, typer.Option(help="127.0.0.1: only this machine; 0.0.0.0: everybody who can reach it.")
    ] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Another host name that it is reached by, such as that of a proxy (may be repeated)."),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser window.")] = False,
    read: ReadOption = None,
) -> None:
    """Open the workbench in the browser.

    The model and image set may also be named by the environment variables WORKBENCH_MODEL and WORKBENCH_IMAGES, a
    catalog of your own by WORKBENCH_CONFIG, and the names to answer to, with commas between them, by WORKBENCH_HOSTS.
    """
    model, images = model or os.environ.get(MODEL_VARIABLE), images or os.environ.get(IMAGES_VARIABLE)
    _check_model(model)
    if beside is not None:
        _check_model(str(beside.resolve()))
    options = _read(images, read)
    if audit is not None:
        from workbench.audit import open_audit

        open_audit(audit)
    _check_port(host, port)
    settings = {
        MODEL_VARIABLE: model,
        IMAGES_VARIABLE: images,
        READ_VARIABLE: options,
        AUDIT_VARIABLE: audit and str(audit.resolve()),
        BESIDE_VARIABLE: beside and str(beside.resolve()),
        HOSTS_VARIABLE: ",".join([*(allow_host or ()), os.environ.get(HOSTS_VARIABLE, "")]).strip(","),
    }
    os.environ.update({name: value for name, value in settings.items() if value})
    expected(host)
    print(f"Explainability workbench: {shown(host, port)} (Ctrl-C stops it)", flush=True)
    if beside is not None:
        print(f"Both models: {shown(host, port)}/probe?view=compare&versus={quote(beside.resolve().name)}", flush=True)
    _start(streamlit_command(host, port, browser=not no_browser))


def _check_model(ref: str | None) -> None:
    """Find what is plainly wrong before the server starts; torch is not imported for it."""
    from workbench.catalog import check_local, load_catalog, stored_path
    from workbench.models import is_hub, read_hub, read_spec, weights_path

    names = load_catalog().models
    if ref is None or ref in names or ref.startswith(("timm:", "torchvision:", "python:")):
        return
    path = stored_path(ref)
    if path.is_dir() and is_hub(path) and not (path / "model.toml").exists():
        read_hub(path)
    elif path.is_dir():
        weights_path(path, read_spec(path))
    elif path.suffix.lower() in (".safetensors", ".pth", ".ckpt", ".bin"):
        raise InputError(f"{path.name} is a file: name a folder that holds it and a model.toml (the README shows how).")
    elif path.is_file():
        _check_no_image(path)  # what else is in it tells only torch
    else:
        check_local(ref)
        raise InputError(
            f"There is no model {ref!r}: give one of {', '.join(names)}, a folder with model.toml, timm:NAME or"
            " torchvision:NAME."
        )


def _check_no_image(path: Path) -> None:
    from workbench.images import SUFFIXES

    if path.suffix.lower() in SUFFIXES:
        raise InputError(f"{path.name} is an image: name a model, which may be a file or a folder that holds it.")


def _read(ref: str | None, read: list[str] | None) -> str:
    """How the set is to be read, as text; the set is read once before the server starts, unless it is the catalog's."""
    from workbench.catalog import load_catalog

    if ref is None or ref in load_catalog().images:
        if read:
            raise InputError(
                "--read corrects a set of your own: name it with --images; the catalog's say it themselves."
            )
        return ""
    load(ref, read)
    if not read:
        return ""
    from workbench.sets import options_read, options_text

    return options_text(options_read(read))


def _check_port(host: str, port: int) -> None:
    import errno
    import socket

    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        socket.create_server(place[:2], family=family).close()
    except socket.gaierror:
        raise InputError(f"There is no host {host!r}: use 127.0.0.1, 0.0.0.0 or an address of this machine.") from None
    except OSError as error:
        why = f"of {host} cannot be used ({os.strerror(error.errno or 0)})"
        why = "is taken" if error.errno == errno.EADDRINUSE else why
        raise InputError(f"Port {port} {why}: choose another with --port.") from None


def streamlit_command(host: str, port: int, *, browser: bool) -> list[str]:
    """How to start Streamlit on the app.

    Streamlit reads .streamlit/config.toml from the working folder only, so the package's own is passed on as flags. A
    setting that the user made by an environment variable is left to it.
    """
    from workbench.catalog import PACKAGE, home, read_toml

    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    windows = os.name == "nt" or sys.platform == "darwin" or bool(display)
    settings = _flat(read_toml(home() / ".streamlit" / "config.toml")) | {
        "server.address": host,
        "server.port": port,
        "server.headless": not (browser and windows),
        "server.showEmailPrompt": False,
        "logger.hideWelcomeMessage": True,
    }
    own = ("server.address", "server.port")
    options = [(key, value) for key, value in settings.items() if key in own or not _by_environment(key)]
    lists = [(key, value if isinstance(value, list) else [value]) for key, value in options]
    flags = [f"--{key}={_word(part)}" for key, parts in lists for part in parts]
    return [sys.executable, "-m", "streamlit", "run", str(PACKAGE / "app.py"), *flags]


def _flat(table: Mapping[str, object], above: str = "") -> dict[str, object]:
    """A nested table as one of dotted keys."""
    flat: dict[str, object] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {above + key: value}
    return flat


def _by_environment(key: str) -> bool:
    words = "".join(f"_{letter}" if letter.isupper() else letter for letter in key.replace(".", "_"))
    return f"STREAMLIT_{words.upper()}" in os.environ


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _start(command: list[str]) -> None:
    """Become the server, so that signals reach it; Windows cannot, and waits for it."""
    if os.name == "nt":
        import subprocess

        raise typer.Exit(subprocess.call(command))
    os.execv(command[0], command)
