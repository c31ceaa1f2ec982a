from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from workbench.catalog import has_drive, load_catalog, place_of, scheme, shared, stored_path
from workbench.files import folders
from workbench.models.folder import read_spec, spec_key, weights_path
from workbench.sets.layouts import load_images

Refusal = Callable[[Callable[[], object]], str]
Write = Callable[..., Path]

OWN = """
[models.tiles]
title = "Tiles"
ref = "models/tiles"
images = "lot7"

[images.lot7]
title = "Lot 7"
ref = "pics"
synthetic = true

[images.listed]
title = "Listed"
ref = "lists/m.csv"
root = "pics"
"""
SPEC = 'architecture = "timm:resnet10t"\nweights = "w.safetensors"\nclasses = ["ok", "bad"]\n'


def model_folder(folder: Path, text: str | bytes = SPEC) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "model.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    (folder / "w.safetensors").write_bytes(b"weights")
    return folder


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `workbench.toml` of one's own in a folder that is not the working folder."""
    path = tmp_path / "mine" / "workbench.toml"
    path.parent.mkdir()
    path.write_text(OWN, encoding="utf-8")
    monkeypatch.setenv("WORKBENCH_CONFIG", str(path))
    return path


def test_the_built_in_catalog_is_complete() -> None:
    catalog = load_catalog()
    assert {"solar-cells", "everyday"} <= catalog.models.keys()
    assert {"solar-cells", "everyday"} <= catalog.images.keys()
    assert all(model.images in catalog.images for model in catalog.models.values())
    assert all(entry.licence for entry in catalog.images.values())
    assert read_spec(Path(catalog.models["everyday"].ref)).classes[285] == "Egyptian cat"


def test_reading_it_needs_no_torch_and_no_images() -> None:
    code = (
        "import sys; from workbench.catalog import *; from workbench.models.folder import *; c = load_catalog();"
        "f = Path(c.models['everyday'].ref); spec_key(f, read_spec(f));"
        "sys.exit(bool({'torch', 'PIL', 'numpy', 'streamlit'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_ones_own_file_comes_first_and_is_anchored_to_itself(own: Path, write_image: Write) -> None:
    write_image("mine/pics/ok/a.png")
    (own.parent / "lists").mkdir()
    (own.parent / "lists" / "m.csv").write_text("image\nok/a.png\n")
    catalog = load_catalog()
    assert list(catalog.models)[:2] == ["tiles", "solar-cells"]
    assert catalog.models["tiles"].ref == str(own.parent / "models" / "tiles")
    images = load_images("lot7")
    assert (images.name, images.synthetic, list(images.by_name)) == ("Lot 7", True, ["ok/a.png"])
    assert load_images("listed").items[0].open().size == (8, 6)


def test_a_file_in_the_working_folder_serves_without_the_variable(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKBENCH_CONFIG")
    assert "tiles" not in load_catalog().models
    monkeypatch.chdir(own.parent)
    assert load_catalog().models["tiles"].ref == str(own.parent / "models" / "tiles")


def test_the_variable_goes_before_the_working_folder_and_may_be_relative(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own.parent / "other.toml").write_text('[images.other]\ntitle = "Other"\nref = "pics"\n')
    monkeypatch.chdir(own.parent)
    monkeypatch.setenv("WORKBENCH_CONFIG", "other.toml")
    catalog = load_catalog()
    assert "tiles" not in catalog.models
    assert catalog.images["other"].ref == str(own.parent / "pics")


def test_an_entry_may_replace_a_built_in_one_and_schemes_stay(own: Path) -> None:
    own.write_text(
        '[models.everyday]\ntitle = "Mine"\nref = "timm:resnet10t"\n[images.everyday]\ntitle = "E"\nref ='
        ' "package:skimage/data"\n[images.cells]\ntitle = "C"\nref = "elpv"\n'
    )
    catalog = load_catalog()
    assert catalog.models["everyday"].ref == "timm:resnet10t"
    assert (catalog.images["everyday"].ref, catalog.images["cells"].ref) == ("package:skimage/data", "elpv")


def test_a_changed_file_is_read_again(own: Path) -> None:
    assert "tiles" in load_catalog().models
    own.write_text("")
    assert "tiles" not in load_catalog().models


def test_a_variable_that_names_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, refusal: Refusal
) -> None:
    for value in (str(tmp_path / "none.toml"), str(tmp_path), "x" * 5000):
        monkeypatch.setenv("WORKBENCH_CONFIG", value)
        refusal(load_catalog)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[models.tiles]\ntitle = "Tiles"\n', "'models.tiles.ref'"),
        ('[models.tiles]\ntitle = "T"\nref = "x"\ncolour = "red"\n', "'models.tiles.colour'"),
        ('[images.lot]\ntitle = 7\nref = "x"\n', "'images.lot.title'"),
        ('[model.tiles]\ntitle = "T"\n', "'model'"),
        ('[models.tiles]\ntitle = "T"\nref = "x"\nimages = "lot9"\n', "'models.tiles.images'"),
        ("[models.tiles\n", "line 1"),
        ("a = " + "[" * 5000, "not valid TOML"),
        (b"\xff\xfe", "not text in UTF-8"),
    ],
)
def test_an_invalid_file_is_refused_by_the_entrys_name(
    own: Path, text: str | bytes, says: str, refusal: Refusal
) -> None:
    own.write_bytes(text.encode() if isinstance(text, str) else text)
    message = refusal(load_catalog)
    assert says in message
    assert message.startswith("workbench.toml")


def test_a_reference_that_is_no_path_is_refused(own: Path, refusal: Refusal) -> None:
    own.write_text('[images.lot]\ntitle = "L"\nref = "~nobody-of-that-name/pics"\n')
    assert "~nobody-of-that-name/pics" in refusal(load_catalog)


def test_a_file_with_a_byte_order_mark_is_read(own: Path) -> None:
    own.write_bytes(b"\xef\xbb\xbf" + OWN.strip().encode())
    assert "tiles" in load_catalog().models


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ('colour = "red"\n', "'colour'"),
        ("threshold = 1.5\n", "'threshold'"),
        ('positive = "worst"\n', "'worst'"),
        ("[preprocessing]\nsize = [0, 224]\n", "'preprocessing.size.0'"),
        ("[preprocessing]\nsize = [224]\n", "'preprocessing.size"),
        ('[preprocessing]\nresize = "squash"\n', "'preprocessing.resize'"),
        ("[preprocessing]\nstd = [0.2, 0.0, 0.2]\n", "'preprocessing.std.1'"),
        ("[preprocessing]\nmean = [nan, 0.5, 0.5]\n", "'preprocessing.mean.0'"),
        ("[preprocessing]\ncrop = 0.0\n", "'preprocessing.crop'"),
        ("[preprocessing]\ncolour = 1\n", "'preprocessing.colour'"),
        ("[options]\nhead = [1]\n", "'options.head"),
        ("classes = 3 =", "not valid TOML"),
    ],
)
def test_a_model_toml_that_is_wrong_is_refused_by_the_entrys_name(
    tmp_path: Path, change: str, says: str, refusal: Refusal
) -> None:
    folder = model_folder(tmp_path / "m", SPEC + change)
    message = refusal(lambda: read_spec(folder))
    assert says in message
    assert message.startswith("model.toml")


def test_a_model_toml_that_lacks_something_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    assert "There is no model.toml" in refusal(lambda: read_spec(tmp_path))
    (tmp_path / "model.toml").mkdir()
    assert "cannot be read" in refusal(lambda: read_spec(tmp_path))
    for field in ("architecture", "weights", "classes"):
        text = "".join(line + "\n" for line in SPEC.splitlines() if not line.startswith(field))
        assert f"'{field}'" in refusal(partial(read_spec, model_folder(tmp_path / "m", text)))


def test_classes_may_lie_in_a_text_file_of_the_folder(tmp_path: Path, refusal: Refusal) -> None:
    text = SPEC.replace('["ok", "bad"]', '"names.txt"')
    folder = model_folder(tmp_path / "m", text)
    assert "'names.txt'" in refusal(lambda: read_spec(folder))
    (folder / "names.txt").write_bytes(b"\xef\xbb\xbfok\r\nschlecht \xc3\xbc\r\n")
    assert read_spec(folder).classes == ["ok", "schlecht ü"]
    (folder / "names.txt").write_bytes(b"\xff\xff")
    assert "UTF-8" in refusal(lambda: read_spec(folder))
    (tmp_path / "names.txt").write_text("ok\nbad\n")
    for outside in ("../names.txt", str(tmp_path / "names.txt"), "a\\u0000b"):
        model_folder(folder, text.replace("names.txt", outside))
        refusal(lambda: read_spec(folder))
    (folder / "names.txt").unlink()
    (folder / "names.txt").symlink_to(tmp_path / "names.txt")
    model_folder(folder, text)
    assert "not in its folder" in refusal(lambda: read_spec(folder))


def test_weights_lie_in_the_folder(tmp_path: Path, refusal: Refusal) -> None:
    folder = model_folder(tmp_path / "m")
    assert weights_path(folder, read_spec(folder)) == folder / "w.safetensors"
    (tmp_path / "outside.pt").write_bytes(b"x")
    (folder / "loop.pt").symlink_to(folder / "loop.pt")
    (folder / "link.pt").symlink_to(tmp_path / "outside.pt")
    for name in ("../outside.pt", str(tmp_path / "outside.pt"), "link.pt", "~/w.pt", "a\0b.pt"):
        spec = read_spec(folder).model_copy(update={"weights": name})
        assert "outside of its folder" in refusal(partial(weights_path, folder, spec))
    for name in ("none.pt", "loop.pt"):
        spec = read_spec(folder).model_copy(update={"weights": name})
        assert "model.toml" in refusal(partial(weights_path, folder, spec))


def test_a_models_key_follows_what_it_computes_and_nothing_else(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m")

    def key(text: str = SPEC, weights: bytes = b"weights") -> str:
        model_folder(folder, text)
        (folder / "w.safetensors").write_bytes(weights)
        return spec_key(folder, read_spec(folder))

    first = key()
    assert key('title = "T"\nabout = "A"\n' + SPEC + "threshold = 0.3\n") == first
    assert (
        len({first, key(weights=b"wEIGHTS"), key(SPEC.replace("resnet10t", "resnet18")), key(SPEC + "order = true\n")})
        == 4
    )


def test_stored_paths(tmp_path: Path, refusal: Refusal) -> None:
    assert stored_path("a/b.pt", tmp_path) == tmp_path / "a" / "b.pt"
    assert stored_path("package:skimage/data").is_dir()
    assert stored_path("~") == Path.home()
    for ref in ("package:", "package:no_such_package/x", "package:no.such.package/x", "package:sys/x", "package:six/x"):
        assert "pip install" in refusal(partial(stored_path, ref))
    for ref in ("package:skimage/../secret", "package:skimage//etc/passwd", "package:skimage/~root"):
        assert "leads out of the package" in refusal(partial(stored_path, ref))
    assert shared("catalog.toml").is_file()


def test_no_reference_imports_what_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Refusal) -> None:
    trap = tmp_path / "packages" / "trap_of_imports"
    (trap / "inner").mkdir(parents=True)
    for place in (trap, trap / "inner"):
        (place / "__init__.py").write_text("raise SystemExit('imported')\n")
    (trap / "names.txt").write_text("good\nbad\n")
    monkeypatch.syspath_prepend(trap.parent)
    assert stored_path("package:trap_of_imports/names.txt").read_text() == "good\nbad\n"
    refusal(lambda: stored_path("package:trap_of_imports.inner/x"))
    for named in ("package:trap_of_imports/names.txt", "package:trap_of_imports.inner/x", "package:no_such_package/x"):
        folder = model_folder(tmp_path / "m", SPEC.replace('classes = ["ok", "bad"]', f'classes = "{named}"'))
        assert "not in its folder" in refusal(partial(read_spec, folder))
    assert "trap_of_imports" not in sys.modules


@pytest.mark.parametrize(
    ("system", "variables", "place"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/explainability-workbench"),
        ("linux", {"HOME": "/h"}, "/h/.cache/explainability-workbench"),
        ("darwin", {"HOME": "/h"}, "/h/Library/Caches/explainability-workbench"),
        ("win32", {"LOCALAPPDATA": "/l"}, "/l/explainability-workbench"),
        ("linux", {"WORKBENCH_CACHE": "/own", "XDG_CACHE_HOME": "/x"}, "/own"),
    ],
)
def test_the_cache_lies_where_the_system_has_it(
    monkeypatch: pytest.MonkeyPatch, system: str, variables: dict[str, str], place: str
) -> None:
    for name in ("WORKBENCH_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(folders.sys, "platform", system)
    assert folders.cache_folder() == Path(place)


@pytest.mark.parametrize(
    ("system", "variables", "place"),
    [
        ("linux", {"XDG_DATA_HOME": "/x"}, "/x/explainability-workbench"),
        ("linux", {"HOME": "/h"}, "/h/.local/share/explainability-workbench"),
        ("darwin", {"HOME": "/h"}, "/h/Library/Application Support/explainability-workbench"),
        ("win32", {"APPDATA": "/r", "LOCALAPPDATA": "/l"}, "/r/explainability-workbench"),
    ],
)
def test_records_lie_where_nothing_sweeps_them(
    monkeypatch: pytest.MonkeyPatch, system: str, variables: dict[str, str], place: str
) -> None:
    for name in ("WORKBENCH_CACHE", "XDG_CACHE_HOME", "XDG_DATA_HOME", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(folders.sys, "platform", system)
    assert folders.data_folder() == Path(place)
    assert folders.cache_folder() not in (folders.data_folder(), *folders.data_folder().parents)


@pytest.mark.parametrize(("lines", "says"), [("\n\n", "names nothing"), ("ok\nbad\nok", "names 'ok' twice")])
def test_a_class_list_without_a_name_for_each_is_refused(
    tmp_path: Path, lines: str, says: str, refusal: Refusal
) -> None:
    folder = model_folder(tmp_path / "m", SPEC.replace('["ok", "bad"]', '"classes.txt"'))
    (folder / "classes.txt").write_text(lines)
    assert says in refusal(lambda: read_spec(folder))


def test_a_class_list_may_hold_empty_lines(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m", SPEC.replace('["ok", "bad"]', '"classes.txt"'))
    (folder / "classes.txt").write_text("\r\nok \r\n\r\nbad\r\n\r\n")
    assert read_spec(folder).classes == ["ok", "bad"]


# What a reference is


@pytest.mark.parametrize(
    ("ref", "found"),
    [
        ("timm:resnet18", "timm"),
        ("torchvision:vgg11", "torchvision"),
        ("python:mine:make", "python"),
        ("package:skimage/data", "package"),
        ("stamped-metal:7", "stamped-metal"),
        ("C:\\parts\\model", None),
        ("C:/parts", None),
        ("D:parts", None),
        ("\\\\server\\share", None),
        ("lot 12:30/good", None),
        ("./timm:resnet18", None),
        ("timm", None),
        ("", None),
    ],
)
def test_a_colon_makes_a_scheme_of_known_words_only(ref: str, found: str | None) -> None:
    assert scheme(ref) == found


def test_a_drive_is_one_letter_and_a_colon() -> None:
    assert [name for name in ("C:", "c:x", "Z:\\x", "lot:1", "1:x", ":x", "c", "", "é:x") if has_drive(name)] == [
        "C:",
        "c:x",
        "Z:\\x",
    ]


@pytest.mark.parametrize("name", ["C:\\parts", "lot 12:30"])
def test_a_catalog_anchors_paths_with_colons_to_its_own_folder(own: Path, write_image: Write, name: str) -> None:
    write_image(f"mine/{name}/ok/a.png")
    own.write_text(f"[images.lot]\ntitle = 'Lot'\nref = '{name}'\n", encoding="utf-8")
    assert load_catalog().images["lot"].ref == str(own.parent / name)
    assert len(load_images("lot")) == 1


def test_two_sets_of_one_name_lie_in_two_places(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        assert place_of("parts") == str(tmp_path / folder / "parts")
    assert place_of("package:elpv_dataset/data") == "package:elpv_dataset/data"
    assert place_of("lot7") == str(tmp_path / "mine" / "pics")
    assert place_of("solar-cells") == "elpv"
