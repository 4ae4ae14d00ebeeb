"""The Django shop: two releases that can live side by side on one schema, one bucket and one key."""

from __future__ import annotations

import filecmp
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployer.config.document import read_document
from deployer.config.reader import read_fleets
from tests.patience import PATIENCE

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SHOP, WEB = EXAMPLES / "django-shop", EXAMPLES / "web"
RELEASES = [SHOP / "release-1", SHOP / "release-2"]
SAME_AS_WEB = [
    "appspec.yml",
    "shop.service",
    "hooks/application-start",
    "hooks/application-stop",
    "hooks/validate-service",
    "shop/gunicorn.conf.py",
    "shop/bin/lame-duck",
]


def files(bundle: Path) -> set[str]:
    found = {path.relative_to(bundle) for path in bundle.rglob("*") if not path.is_dir()}
    return {path.as_posix() for path in found if "__pycache__" not in path.parts}


class Host:
    """A host's side of the shop without a lab: the shared folder, and Django's command line of a release."""

    def __init__(self, folder: Path) -> None:
        self.shared = folder
        (folder / "secret-key").write_text("k" * 60)

    def python(self, release: Path, *arguments: str) -> str:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        places = {"STATIC_ROOT": str(self.shared / "static"), "MANIFEST_ROOT": str(self.shared / "manifest")}
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=release / "shop",
            env={"PATH": path, "SHARED": str(self.shared), "PYTHONDONTWRITEBYTECODE": "1", **places},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def manage(self, release: Path, *arguments: str) -> str:
        return self.python(release, "manage.py", *arguments)

    def visit(self, release: Path, script: str) -> Any:
        """Runs `script` with a test client called `visitor`; returns what it put into `said`."""
        before = (
            "import json, os, django\nos.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings'\ndjango.setup()\n"
        )
        before += "from django.test import Client\nvisitor = Client(headers={'host': 'shop.example'})\n"
        return json.loads(self.python(release, "-c", f"{before}{script}\nprint(json.dumps(said))"))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.mark.parametrize("bundle", RELEASES, ids=lambda path: path.name)
def test_what_can_be_the_same_as_in_the_plain_example_is(bundle: Path) -> None:
    for name in SAME_AS_WEB:
        assert filecmp.cmp(bundle / name, WEB / bundle.name / name, shallow=False), name
        assert os.access(bundle / name, os.X_OK) == os.access(WEB / bundle.name / name, os.X_OK), name


@pytest.mark.parametrize("bundle", RELEASES, ids=lambda path: path.name)
def test_every_script_of_a_bundle_can_be_run(bundle: Path) -> None:
    spec = yaml.safe_load((bundle / "appspec.yml").read_text())
    named = [bundle / script["location"] for event in spec["hooks"].values() for script in event]
    for script in [*named, *(bundle / "shop" / "bin").iterdir()]:
        assert os.access(script, os.X_OK), script
        subprocess.run(["sh", "-n", str(script)], check=True, timeout=PATIENCE)
    assert not [path for path in bundle.rglob("*") if path.is_symlink()]


def test_the_releases_differ_only_in_what_is_released() -> None:
    one, two = RELEASES
    catalogue = "shop/catalogue"
    assert files(two) - files(one) == {
        f"{catalogue}/migrations/0002_product_price.py",
        f"{catalogue}/templates/catalogue/price.html",
    }
    assert not files(one) - files(two)
    assert {name for name in files(one) if not filecmp.cmp(one / name, two / name, shallow=False)} == {
        "shop/VERSION",
        f"{catalogue}/models.py",
        f"{catalogue}/static/shop/shop.css",
        f"{catalogue}/static/shop/shop.js",
        f"{catalogue}/templates/catalogue/index.html",
        f"{catalogue}/templates/catalogue/product.html",
    }


def test_the_settings_are_valid() -> None:
    fleet = read_fleets(read_document(SHOP / "deployer.toml"))["web"]
    hooks = [(hook.at.value, hook.name) for hook in fleet.hooks]
    assert hooks == [
        ("before-rollout", "collect"),
        ("before-rollout", "publish"),
        ("on-builder", "migrate"),
        ("after-success", "invalidate"),
    ]
    assert [hook.name for hook in fleet.hooks if hook.once] == ["migrate"]


@pytest.mark.parametrize("bundle", RELEASES, ids=lambda path: path.name)
def test_models_and_migrations_agree(bundle: Path, host: Host) -> None:
    assert "No changes detected" in host.manage(bundle, "makemigrations", "--check", "--dry-run")


def test_the_second_release_only_adds_a_column_that_may_be_null(host: Host) -> None:
    host.manage(RELEASES[0], "migrate", "--verbosity", "0")
    sql = host.manage(RELEASES[1], "sqlmigrate", "catalogue", "0002")
    statements = [line for line in sql.splitlines() if line and not line.startswith("--")]
    assert statements[0] == "BEGIN;"
    assert statements[-1] == "COMMIT;"
    (statement,) = statements[1:-1]
    assert re.fullmatch(r'ALTER TABLE "catalogue_product" ADD COLUMN "euros" .*NULL.*;', statement)
    assert "NOT NULL" not in statement


def test_the_first_release_lives_with_the_schema_of_the_second(host: Host) -> None:
    one, two = RELEASES
    host.manage(one, "migrate", "--verbosity", "0")
    host.manage(one, "collectstatic", "--noinput", "--verbosity", "0")
    host.manage(two, "migrate", "--verbosity", "0")
    said = host.visit(
        one,
        "from catalogue.models import Product\nProduct.objects.create(key='rope', name='Rope')\n"
        "page = visitor.get('/products/rope/')\nsaid = [page.status_code, page.headers['X-Release']]",
    )
    assert said == [200, "1"]
    host.manage(two, "collectstatic", "--noinput", "--clear", "--verbosity", "0")
    page = host.visit(two, "said = visitor.get('/products/rope/').content.decode()")
    assert "price on request" in page


def test_a_basket_of_one_release_is_there_in_the_other(host: Host) -> None:
    one, two = RELEASES
    host.manage(two, "migrate", "--verbosity", "0")
    cookie = host.visit(
        one, "visitor.post('/basket/', {'product': 'anvil'})\nsaid = visitor.cookies['sessionid'].value"
    )
    host.manage(two, "collectstatic", "--noinput", "--verbosity", "0")
    page = host.visit(two, f"visitor.cookies['sessionid'] = {cookie!r}\nsaid = visitor.get('/').content.decode()")
    assert '<output id="basket">1</output>' in page


def test_pages_name_published_files_by_their_content_and_the_admin_those_of_the_host(host: Host) -> None:
    names: dict[str, set[str]] = {}
    for bundle in RELEASES:
        host.manage(bundle, "migrate", "--verbosity", "0")
        host.manage(bundle, "collectstatic", "--noinput", "--clear", "--verbosity", "0")
        page, admin = host.visit(
            bundle, "said = [visitor.get(path).content.decode() for path in ('/', '/admin/login/')]"
        )
        names[bundle.name] = set(re.findall(r'"https://assets\.shop\.example/static/(shop/[^"]+)"', page))
        published = host.shared / "static"
        assert len(names[bundle.name]) == 3
        assert all((published / name).is_file() for name in names[bundle.name])
        assert all(re.search(r"\.[0-9a-f]{12}\.", name) for name in names[bundle.name])
        assert re.search(r'href="/static/admin/css/base\.[0-9a-f]{12}\.css"', admin)
    both = names["release-1"] & names["release-2"]
    assert {name.split(".")[0] for name in both} == {"shop/logo"}


def test_the_health_check_answers_by_any_name_and_without_a_database(host: Host) -> None:
    said = host.visit(
        RELEASES[0],
        "found = visitor.get('/healthz', headers={'host': '10.0.0.7:8080'})\n"
        "said = [found.status_code, found.headers['X-Release']]",
    )
    assert said == [200, "1"]
    assert not (host.shared / "shop.sqlite3").exists()


@pytest.mark.lab
def test_one_rollout_loses_no_page_no_file_and_no_basket_and_migrates_once() -> None:
    done = subprocess.run(
        [sys.executable, str(SHOP / "demo"), "--instances", "3", "--zones", "2", "--visitors", "2"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:] + done.stdout
    counted = json.loads(done.stdout)
    assert counted["rollout"]["instances"]["replaced"] == 3
    for kind in ("pages", "assets"):
        assert set(counted[kind]["by_release"]) == {"1", "2"}
    assert (counted["pages"]["failed"], counted["assets"]["missing"], counted["baskets_lost"]) == (0, 0, 0)
    (ran,) = counted["migrations"]
    assert ran.endswith(" release 2")
