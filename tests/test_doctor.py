import shutil
import sys
from importlib import metadata

import pytest
import torch

from specdec_course.cli import doctor
from specdec_course.cli.doctor import FAIL, OK, WARN, examine, exit_code, finding, library
from specdec_course.models import hub, sources


@pytest.fixture(autouse=True)
def no_hub(monkeypatch):
    monkeypatch.setattr(hub, "hub_reachable", lambda: False)


def found(name):
    return next(line for line in examine() if line.name == name)


def test_one_line_each_and_a_cure_for_all_that_is_not_ok(monkeypatch):
    monkeypatch.setattr(sources, "bundled_damage", lambda: [])
    findings = examine()
    names = [
        "python",
        "torch",
        "device",
        "transformers",
        "datasets",
        "numpy",
        "bundled pair",
        "hub",
        "nbgrader",
        "compiler",
    ]
    assert set(names) <= {line.name for line in findings}
    for line in findings:
        assert line.state in (OK, WARN, FAIL) and str(line).startswith(line.state) and "\n" not in str(line)
        assert line.cure or line.state == OK
    assert exit_code(findings) == 0  # what the tests run in is a machine for the course


def test_only_a_failure_is_a_reason_to_stop():
    lines = [doctor.Finding("a", state, "said") for state in (OK, WARN)]
    assert exit_code(lines) == 0 and exit_code([*lines, doctor.Finding("b", FAIL, "said")]) == 1


@pytest.mark.parametrize("version, state", [((3, 10, 9), FAIL), ((3, 11, 0), OK), ((3, 13, 5), OK), ((3, 14, 0), WARN)])
def test_python(monkeypatch, version, state):
    monkeypatch.setattr(sys, "version_info", version)
    assert doctor.python()[0] == state


@pytest.mark.parametrize(
    "name, version, state",
    [
        ("torch", "2.8.1", FAIL),
        ("torch", "2.9.0", OK),
        ("torch", "2.13.0+cpu", OK),
        ("torch", "10.0", OK),
        ("transformers", "4.57.6", FAIL),
        ("transformers", "5.10.0.dev0", OK),
        ("datasets", "3.6.0", FAIL),
        ("ipython", "7.34.0", OK),
    ],
)
def test_versions(monkeypatch, name, version, state):
    monkeypatch.setattr(metadata, "version", lambda asked: version)
    answer = library(name)()
    assert answer[0] == state and version in answer[1]
    assert state == OK or f'pip install "{name}>=' in answer[2]


def missing(name):
    raise metadata.PackageNotFoundError(name)


@pytest.mark.parametrize("name, state", [("torch", FAIL), ("datasets", FAIL), ("ipython", WARN)])
def test_a_library_is_missing(monkeypatch, name, state):
    monkeypatch.setattr(metadata, "version", missing)
    assert library(name)()[0] == state


def test_nbgrader_is_for_instructors(monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda name: "0.9.6")
    assert finding("nbgrader", doctor.nbgrader).state == OK
    monkeypatch.setattr(metadata, "version", missing)
    line = finding("nbgrader", doctor.nbgrader)
    assert line.state == WARN and 'pip install "specdec_course[instructor]"' in line.cure


def test_damaged_files_fail(monkeypatch):
    monkeypatch.setattr(sources, "bundled_damage", lambda: ["draft/model.safetensors is missing"])
    line = found("bundled pair")
    assert line.state == FAIL and "draft/model.safetensors" in line.said and "git checkout -- data" in line.cure


def test_no_bundled_pair_at_all(monkeypatch, tmp_path):
    monkeypatch.setattr("specdec_course.common.paths.PACKAGE", tmp_path / "package")
    line = found("bundled pair")
    assert line.state == FAIL and "checksums.json is missing" in line.said and "git checkout -- data" in str(line)


@pytest.mark.parametrize("reachable, state", [(True, OK), (False, WARN)])
def test_the_hub(monkeypatch, reachable, state):
    monkeypatch.setattr(hub, "hub_reachable", lambda: reachable)
    assert found("hub").state == state


def test_compiler(monkeypatch, tmp_path):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert doctor.compiler()[0] == WARN
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/clang++" if name == "clang++" else None)
    assert doctor.compiler()[:2] == (OK, "/usr/bin/clang++, for torch.compile")


def test_little_memory(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sources, "free_memory", lambda device: 10**9)
    assert found("device").state == WARN


def test_a_gpu_that_does_not_compute(monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("CUDA error: no kernel image is available\nCompile with TORCH_USE_CUDA_DSA")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla K80")
    monkeypatch.setattr(sources, "free_memory", lambda device: 10**10)
    monkeypatch.setattr(torch, "ones", broken)
    line = finding("device", doctor.device)
    assert line.state == FAIL and "Tesla K80 does not compute" in line.said and "\n" not in str(line)


def test_whatever_is_raised_is_a_finding():
    def broken():
        raise ImportError("libcudart.so.12: cannot open shared object file\nmore")

    line = finding("torch", broken)
    assert line.state == FAIL and line.said.endswith("cannot open shared object file") and line.cure
