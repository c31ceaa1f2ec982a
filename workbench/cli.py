"""The `workbench` command: run, explain, train-demo, doctor.

Bad input ends with one line on stderr and exit code 2, an interruption with 130. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from workbench import __version__
from workbench.catalog import IMAGES_VARIABLE, MODEL_VARIABLE
from workbench.errors import InputError

if TYPE_CHECKING:
    from workbench.attribution import Attribution
    from workbench.classifier import Classifier
    from workbench.images import ImageItem

TRACEBACK_VARIABLE = "WORKBENCH_TRACEBACK"
INPUT_ERROR, INTERRUPTED = 2, 130

app = typer.Typer(
    name="workbench",
    help="Why an image classifier decides as it does, and whether that can be trusted.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0, 1 (a check failed), 2 (bad input) or 130 (interrupted)."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # so that python:package.module:function finds what lies in the working folder
    sys.exit(_guarded(arguments))


def _guarded(arguments: Sequence[str] | None) -> int:
    try:
        code = app(args=arguments, prog_name="workbench", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away, as in `workbench doctor | head -1`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        return 1
    except Exception as error:
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        message, code = _verdict(error)
        print(f"workbench: {' '.join(message.split())}", file=sys.stderr)
        return code


def _verdict(error: Exception) -> tuple[str, int]:
    """What to say of an error, and the exit code."""
    if isinstance(error, InputError):
        return str(error), INPUT_ERROR
    if callable(usage := getattr(error, "format_message", None)):  # typer's usage errors, whose class has moved between its releases
        return f"{usage().rstrip('. ')}. See workbench --help, or --help after a command.", INPUT_ERROR
    if isinstance(error, OSError):
        return (
            f"{error.filename or 'A file'} cannot be used ({error.strerror or error}): check the path, its permissions and the disk.",
            INPUT_ERROR,
        )
    hint = f"set {TRACEBACK_VARIABLE}=1 to see where, and please report it"
    return f"This failed in a way nobody foresaw ({type(error).__name__}: {error}): {hint}.", 1


def _version(asked: bool) -> None:
    if asked:
        print(f"workbench {__version__}")
        raise typer.Exit()


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


ModelOption = Annotated[str | None, typer.Option(help="A catalog name, a folder with model.toml, timm:NAME or torchvision:NAME.")]
ImagesOption = Annotated[str | None, typer.Option(help="A catalog name, a folder, a .zip, or a manifest .csv or .parquet.")]


@app.command()
def run(
    model: ModelOption = None,
    images: ImagesOption = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 8501,
    host: Annotated[
        str, typer.Option(help="127.0.0.1 lets only this machine in; 0.0.0.0 lets everybody in who can reach it.")
    ] = "127.0.0.1",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser window.")] = False,
) -> None:
    """Open the workbench in the browser.

    The model and image set may also be named by the environment variables WORKBENCH_MODEL and WORKBENCH_IMAGES, and a catalog of
    your own by WORKBENCH_CONFIG.
    """
    model, images = model or os.environ.get(MODEL_VARIABLE), images or os.environ.get(IMAGES_VARIABLE)
    _check_model(model)
    _check_images(images)
    _check_port(host, port)
    os.environ.update({name: ref for name, ref in ((MODEL_VARIABLE, model), (IMAGES_VARIABLE, images)) if ref})
    shown = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, f"[{host}]" if ":" in host else host)
    print(f"Explainability workbench: http://{shown}:{port} (Ctrl-C stops it)", flush=True)
    _start(streamlit_command(host, port, browser=not no_browser))


def _check_model(ref: str | None) -> None:
    """Find what is plainly wrong before the server starts; torch is not imported for it."""
    from workbench.catalog import load_catalog, read_spec, stored_path, weights_path

    names = load_catalog().models
    if ref is None or ref in names or ref.startswith(("timm:", "torchvision:", "python:")):
        return
    path = stored_path(ref)
    if path.is_dir():
        weights_path(path, read_spec(path))
    elif path.is_file():
        raise InputError(f"{path.name} is a file: name a folder that holds it and a model.toml (the README shows how).")
    else:
        raise InputError(
            f"There is no model {ref!r}: give one of {', '.join(names)}, a folder with model.toml, timm:NAME or torchvision:NAME."
        )


def _check_images(ref: str | None) -> None:
    from workbench.catalog import load_catalog

    if ref is not None and ref not in load_catalog().images:
        from workbench.layouts import load_images

        load_images(ref)


def _check_port(host: str, port: int) -> None:
    import errno
    import socket

    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        socket.create_server(place[:2], family=family).close()
    except socket.gaierror:
        raise InputError(f"There is no host {host!r}: use 127.0.0.1, 0.0.0.0 or an address of this machine.") from None
    except OSError as error:
        why = "is taken" if error.errno == errno.EADDRINUSE else f"of {host} cannot be used ({os.strerror(error.errno or 0)})"
        raise InputError(f"Port {port} {why}: choose another with --port.") from None


def streamlit_command(host: str, port: int, *, browser: bool) -> list[str]:
    """How to start Streamlit on the app.

    Streamlit reads .streamlit/config.toml from the working folder only, so the package's own is passed on as flags. A setting that
    the user made by an environment variable is left to it.
    """
    from workbench.catalog import PACKAGE, home, read_toml

    windows = os.name == "nt" or sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    settings = _flat(read_toml(home() / ".streamlit" / "config.toml")) | {
        "server.address": host,
        "server.port": port,
        "server.headless": not (browser and windows),
        "server.showEmailPrompt": False,
        "logger.hideWelcomeMessage": True,
    }
    given = [(key, value) for key, value in settings.items() if key in ("server.address", "server.port") or not _by_environment(key)]
    flags = [f"--{key}={_word(value)}" for key, many in given for value in (many if isinstance(many, list) else [many])]
    return [sys.executable, "-m", "streamlit", "run", str(PACKAGE / "app.py"), *flags]


def _flat(table: Mapping[str, object], above: str = "") -> dict[str, object]:
    """A nested table as one of dotted keys."""
    found: dict[str, object] = {}
    for key, value in table.items():
        found |= _flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {above + key: value}
    return found


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


@app.command(short_help="Explain one decision, into files.")
def explain(
    model: Annotated[str, typer.Option(help="As for run, or a file of weights with --architecture, or python:package.module:function.")],
    image: Annotated[Path, typer.Option(help="The picture.")],
    method: Annotated[str, typer.Option(help="saliency, grad_cam, integrated_gradients, occlusion, ... (a wrong name lists all).")],
    out: Annotated[Path, typer.Option(help="The folder to write attribution.npz, overlay.png and manifest.json to.")],
    target: Annotated[str | None, typer.Option(help="Class to explain, by name or number; the predicted one where missing.")] = None,
    score: Annotated[str, typer.Option(help="logit, probability or margin.")] = "logit",
    against: Annotated[str | None, typer.Option(help="With --score margin: the other class.")] = None,
    baseline: Annotated[str | None, typer.Option(help="black, white, mean or blur.")] = None,
    layer: Annotated[str | None, typer.Option(help="For grad_cam; the last one with a spatial output where missing.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="For integrated_gradients: points on the way; else as many as it takes.")] = None,
    images: Annotated[str | None, typer.Option(help="An image set to compare with, for expected_gradients.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="Any other setting of the method, as key=value; may be repeated.")
    ] = None,
    architecture: Annotated[str | None, typer.Option(help="With a file of weights: timm:NAME, torchvision:NAME or python:...")] = None,
    classes: Annotated[str | None, typer.Option(help="Class names, separated by commas, or a text file with one a line.")] = None,
) -> None:
    """Explain one decision and write the map, its overlay and a record of everything it depends on."""
    from workbench.images import image_from_file
    from workbench.layouts import load_images
    from workbench.methods import METHODS

    if method not in METHODS:
        raise InputError(f"There is no method {method!r}: choose one of {', '.join(METHODS)}.")
    if against is not None and score != "margin":
        raise InputError("--against names the other class of a margin: add --score margin.")
    shortcuts = {"baseline": baseline, "layer": layer, "n_steps": steps}
    params = {name: value for name, value in shortcuts.items() if value is not None} | _settings(setting or [])
    if images is not None:
        params["background"] = load_images(images).items
    item = image_from_file(image)
    item.open()
    out.mkdir(parents=True, exist_ok=True)
    from workbench.loading import load_classifier

    classifier = load_classifier(model, architecture=architecture, classes=_class_names(classes))
    _write(out, classifier, item, _map(classifier, item, method, (target, against), score, params), model)


def _map(
    classifier: Classifier, item: ImageItem, method: str, classes: tuple[str | None, str | None], score: str, params: Mapping[str, object]
) -> Attribution:
    """The map for a target and the class it is held against, each by name or number."""
    from workbench.attribution import attribute

    names = classifier.class_names
    target, against = (text if text is None or text in names or not text.isdecimal() else int(text) for text in classes)
    with Meter() as meter:
        return attribute(
            classifier,
            item,
            method,
            target,
            score=score,  # type: ignore[arg-type]
            against=against,
            on_progress=meter,
            **params,  # type: ignore[arg-type]
        )


def _settings(pairs: Sequence[str]) -> dict[str, object]:
    """`key=value` pairs, numbers read as such."""
    found: dict[str, object] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise InputError(f"--set takes key=value, not {pair!r}: write for example --set samples=24.")
        found[key.strip()] = _number(value.strip())
    return found


def _number(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _class_names(text: str | None) -> list[str] | None:
    if text is None:
        return None
    from workbench.catalog import read_text, stored_path

    if "," not in text and stored_path(text).is_file():
        return read_text(stored_path(text)).splitlines()
    return [name.strip() for name in text.split(",")]


def _write(out: Path, classifier: Classifier, item: ImageItem, found: Attribution, ref: str) -> None:
    """Write the three files and say what they show."""
    import json

    from workbench.classifier import predict
    from workbench.methods import METHODS
    from workbench.record import manifest, npz
    from workbench.render import overlay

    said = predict(classifier, item)
    model = {"name": classifier.name, "ref": ref, "notes": list(classifier.notes)}
    record = manifest(found, item, classifier.class_names, said.probabilities[0], model)
    picture = overlay(item.open(), found.on_picture(), METHODS[found.method].signed)
    (out / "attribution.npz").write_bytes(npz({"values": found}))
    picture.save(out / "overlay.png")
    (out / "manifest.json").write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{item.name}: {said.frame['predicted'][0]} at {said.frame['confidence'][0]:.3f}")
    print(f"{METHODS[found.method].title} for {classifier.class_names[found.target]}, {found.score} {found.output:.4g}")
    if found.relative_delta is not None:
        print(f"The map's sum misses the change of the score by {found.relative_delta:.2%}")
    for note in classifier.notes:
        print(note)
    print(f"Wrote attribution.npz, overlay.png and manifest.json to {out}")


@app.command("train-demo", short_help="Train the model that ships again.")
def train_demo(
    name: Annotated[str, typer.Argument(help="solar-cells")],
    out: Annotated[Path | None, typer.Option(help="The folder to write the model to; its place in assets/models where missing.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Kept after each epoch and resumed from where it exists.")] = None,
) -> None:
    """Train a model that ships with the workbench again, and write its model card. It takes hours on a CPU and can be interrupted."""
    if name != "solar-cells":
        raise InputError(f"There is no demo {name!r} to train: the one there is is solar-cells.")
    from workbench import demo

    with Meter(sys.stdout) as meter:
        for step in demo.train(out, checkpoint=checkpoint):
            meter(step.done, step.total, f"{step.stage}, {step.detail}" if step.detail else step.stage)
    print(f"Wrote {', '.join(demo.FILES)} to {out or 'assets/models/solar-cells'}")


@app.command(short_help="Check the installation.")
def doctor() -> None:
    """Look at packages, files, models and image sets, and make one real prediction."""
    from workbench.doctor import examine

    failed = 0
    for check in examine():
        failed += not check.passed
        print(f"{'ok  ' if check.passed else 'FAIL'} {check.name}: {check.found}", flush=True)
    if failed:
        print(f"{failed} {'check' if failed == 1 else 'checks'} failed; each line above says what to do.", file=sys.stderr)
        raise typer.Exit(1)


class Meter:
    """A line of progress: rewritten in place on a terminal, a new one every tenth elsewhere."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Write to `stream`; where missing, to a terminal on stderr only."""
        self.terminal = (stream or sys.stderr).isatty()
        self.stream = (stream or sys.stderr) if stream or self.terminal else None
        self.stage, self.first, self.start, self.last = "", 0, 0.0, -1

    def __call__(self, done: int, total: int, what: str = "") -> None:
        """Say that `done` of `total` steps of the stage that `what` begins with are done."""
        stage = what.partition(",")[0]
        if stage != self.stage or self.start == 0:
            self.stage, self.first, self.start, self.last = stage, done, time.monotonic(), -1
        share = 10 * done // max(total, 1)
        if self.stream is None or (not self.terminal and share == self.last):
            return
        self.last = share
        spent, steps = time.monotonic() - self.start, done - self.first
        left = f", {_duration(spent / steps * (total - done))} left" if steps else ""
        line = f"{done} of {total}{left}{f': {what}' if what else ''}"
        self.stream.write(f"\r\x1b[2K{line}" if self.terminal else f"{line}\n")
        self.stream.flush()

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, *_: object) -> None:
        if self.terminal and self.last >= 0 and self.stream:
            self.stream.write("\r\x1b[2K")
            self.stream.flush()


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


if __name__ == "__main__":
    main()
