"""The exported page: alone, complete, and the same every time."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import zlib
from importlib.resources import files

import pytest

from symfuse.cli import main
from symfuse.playground import page as pages
from symfuse.playground.recording import PRESETS, Preset, export
from symfuse.playground.settings import Settings

SMALL = (
    Preset("Circle", "A disc & a <ring>.", Settings(), 12),
    Preset("Plane", "A regression.", Settings(data="plane", layers=()), 5),
)
LOADS = (
    r"""(?:src|href|action|poster|data)\s*=\s*["']?\s*(?!data:|#)[\w/.]|url\(|@import|\bimport\b"""
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "play.html"
    outcomes = export(path, SMALL, frames=5)
    return path, outcomes


def recordings(text):
    packed = re.search(r'id="recordings">(.*?)</script>', text, re.S)[1]
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def test_it_loads_nothing(exported):
    text = exported[0].read_text()
    assert not re.findall(
        r"""["'(=]\s*(?:https?:)?//\w""", text.replace("http://www.w3.org/2000/svg", "")
    )
    assert not re.findall(LOADS, text.partition("<script type")[0].partition("<body>")[0])
    assert "connect-src 'none'" in text
    assert text.count("<script") == 3
    assert "@" not in re.sub(r"@media|@type", "", text.partition("<script type")[0])


def test_it_is_the_same_every_time(exported, tmp_path):
    export(tmp_path / "again.html", SMALL, frames=5)
    assert (tmp_path / "again.html").read_bytes() == exported[0].read_bytes()


def test_it_is_the_same_in_another_process(exported, tmp_path):
    path = tmp_path / "other.html"
    program = (
        "import sys\n"
        "from symfuse.playground.recording import Preset, export\n"
        "from symfuse.playground.settings import Settings\n"
        "presets = (Preset('Circle', 'A disc & a <ring>.', Settings(), 12),\n"
        "           Preset('Plane', 'A regression.', Settings(data='plane', layers=()), 5))\n"
        "export(sys.argv[1], presets, frames=5)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    assert path.read_bytes() == exported[0].read_bytes()


def test_it_holds_every_frame_of_every_run(exported):
    runs = recordings(exported[0].read_text())
    assert [run["title"] for run in runs] == ["Circle", "Plane"]
    assert [frame["epoch"] for frame in runs[0]["frames"]] == [0, 1, 2, 3, 6, 12]
    losses = [frame["train_loss"] for frame in runs[0]["frames"]]
    assert losses[-1] < losses[0]
    assert len(runs[0]["state"]["program"]["kernels"]) > 3


def test_it_says_what_was_learnt(exported):
    outcomes = exported[1]
    assert [outcome["title"] for outcome in outcomes] == ["Circle", "Plane"]
    assert outcomes[0]["epochs"] == 12


def test_presets_have_titles_of_their_own_and_both_problems():
    assert len({preset.title for preset in PRESETS}) == len(PRESETS)
    problems = {pages.DATA_SETS[preset.settings.data].problem for preset in PRESETS}
    assert problems == {"classification", "regression"}


def test_a_text_inside_the_page_cannot_end_a_script():
    assert "</" not in pages._harmless('{"a": "</script>"}')
    assert json.loads(pages._harmless('{"a": "</script>"}')) == {"a": "</script>"}


def test_every_script_is_part_of_the_page_once():
    text = pages.page()
    for asset in (files("symfuse.playground") / "page").iterdir():
        if asset.name.endswith(".js"):
            first = asset.read_text().splitlines()[0]
            assert text.count(first) == 1, asset.name
    assert "\nimport " not in text and "\nexport " not in text


def test_the_policy_names_the_hash_of_what_is_inside():
    text = pages.page()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert pages._hash(re.search("<style>(.*?)</style>", text, re.S)[1]) in policy
    assert "unsafe" not in policy
    assert "onclick=" not in text.partition("<script")[0]
    assert 'style="' not in text


def test_the_command_exports(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("symfuse.playground.recording.export.__defaults__", (SMALL, 3))
    path = tmp_path / "out.html"
    assert main(["play", "--export", str(path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["bytes"] == path.stat().st_size
    assert [run["title"] for run in said["runs"]] == ["Circle", "Plane"]
    assert main(["play", "--export", str(path)]) == 0
    assert "Circle" in capsys.readouterr().out


@pytest.mark.parametrize("port", ["-1", "65536", "x", "80.0"])
def test_a_wrong_port_is_refused(port, capsys):
    with pytest.raises(SystemExit) as raised:
        main(["play", "--port", port])
    assert raised.value.code == 2
    assert "is no port" in capsys.readouterr().err


def test_the_command_serves_until_it_is_interrupted(tmp_path):
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from symfuse.cli import main; sys.exit(main(['play', '--no-browser', '--json']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        said = json.loads("".join(process.stdout.readline() for _ in range(3)))
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", said["url"])
        process.send_signal(2)
        assert process.wait(30) == 0
        assert process.stderr.read() == ""
