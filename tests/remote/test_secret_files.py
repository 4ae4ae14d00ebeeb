"""A bundle with well-known secrets in it is refused, whatever it is made of, unless the settings name them."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from deployer.remote.bundle.bundle import load_bundle
from deployer.remote.bundle.sources import Place
from deployer.remote.errors import BundleError

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def folder(root: Path, **files: str) -> Path:
    root.mkdir()
    (root / "appspec.yml").write_text("version: 0.0\nos: linux\n")
    for name, text in files.items():
        add(root, name, text)
    return root


def add(root: Path, name: str, text: str = "x") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def place(tmp_path: Path, *allowed: str) -> Place:
    return Place("", tmp_path, tmp_path / "cache", secrets=allowed)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (".env", ".env"),
        ("config/.env.production", "config/.env.production"),
        ("id_rsa", "id_rsa"),
        ("keys/web.pem", "keys/web.pem"),
        ("tls/site.key", "tls/site.key"),
        (".aws/credentials", ".aws/"),
        (".netrc", ".netrc"),
        ("infra/terraform.tfstate", "infra/terraform.tfstate"),
        ("infra/terraform.tfstate.backup", "infra/terraform.tfstate.backup"),
        (".deployer-state/web/lease.json", ".deployer-state/"),
        (".ssh/config", ".ssh/"),
    ],
)
def test_a_well_known_secret_is_refused_by_name_and_packed_where_it_is_allowed(
    name: str, shown: str, tmp_path: Path
) -> None:
    source = folder(tmp_path / "source")
    add(source, name, KEY)
    with pytest.raises(BundleError) as refused:
        load_bundle(str(source), "1", place(tmp_path))
    assert f"'{shown}' would carry secrets to the hosts" in str(refused.value)
    assert "`allow_secrets` under [fleet.NAME.release]" in str(refused.value)
    assert not list((tmp_path / "cache").glob("*.tar.gz"))
    assert name in dict(load_bundle(str(source), "1", place(tmp_path, shown)).files.files)


@pytest.mark.parametrize("name", [".env.example", "id_rsa.pub", "environment", "app/terraform.tf", "keyring.py"])
def test_names_that_only_look_alike_are_packed(name: str, tmp_path: Path) -> None:
    source = folder(tmp_path / "source", **{name: "x"})
    assert name in dict(load_bundle(str(source), "1", place(tmp_path)).files.files)


def test_certificates_of_a_package_are_packed(tmp_path: Path) -> None:
    source = folder(tmp_path / "source", **{"venv/certifi/cacert.pem": CERTIFICATE})
    assert load_bundle(str(source), "1", place(tmp_path)).packed.unpacked > 0


def test_an_ignored_secret_is_no_reason_to_refuse(tmp_path: Path) -> None:
    source = folder(tmp_path / "source", **{".env": "x", ".deployerignore": ".env\n"})
    assert set(dict(load_bundle(str(source), "1", place(tmp_path)).files.files)) == {"appspec.yml"}


def test_an_archive_and_a_revision_are_looked_through_too(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as archive:
        for name, data in (("appspec.yml", b"version: 0.0\nos: linux\n"), ("app/web.pem", KEY.encode())):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    with pytest.raises(BundleError, match=r"'app/web\.pem' would carry secrets"):
        load_bundle("b.tar.gz", "1", place(tmp_path))
    source = folder(tmp_path / "source", **{".env": "x"})
    commit(source)
    with pytest.raises(BundleError, match=r"'\.env' would carry secrets"):
        load_bundle("git:HEAD", "1", Place("", source, tmp_path / "cache"))


def test_many_secrets_make_one_sentence(tmp_path: Path) -> None:
    source = folder(tmp_path / "source", **{f"{n}/.env": "x" for n in range(9)})
    with pytest.raises(BundleError, match=r"'4/\.env' and 4 more would"):
        load_bundle(str(source), "1", place(tmp_path))


def test_a_revision_with_a_submodule_is_refused(tmp_path: Path) -> None:
    part = folder(tmp_path / "part")
    commit(part)
    source = folder(tmp_path / "source")
    git(source, "init", "-q")
    git(source, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(part), "vendor/part")
    commit(source)
    with pytest.raises(BundleError, match=r"'vendor/part' is a submodule, which git does not pack; name a folder"):
        load_bundle("git:HEAD", "1", Place("", source, tmp_path / "cache"))


def commit(folder: Path) -> None:
    git(folder, "init", "-q")
    git(folder, "add", "-f", ".")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "one")


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)
