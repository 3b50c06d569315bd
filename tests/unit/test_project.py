"""A project is found, configured and imported; every mistake is named with its place."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrator.domain.scaling import ScalingPolicy
from orchestrator.errors import ProjectError
from orchestrator.project import Project, find_project, graph_path, load_registry, load_settings
from orchestrator.settings import Settings

REPOSITORY = Path(__file__).parents[2]
MARK = '[tool.orchestrator]\nworkers = ["made_up_workers"]\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch):
    """A folder for a project; what tests import from it is forgotten."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "made_up_workers"]:
        del sys.modules[name]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def project_of(folder: Path, mark: str = MARK) -> Project:
    write(folder / "pyproject.toml", mark)
    return find_project(folder)


def test_the_mark_is_found_upwards(folder):
    write(folder / "pyproject.toml", MARK + 'graphs = "flows"\n')
    below = folder / "a" / "b"
    below.mkdir(parents=True)
    write(folder / "a" / "pyproject.toml", "[project]\nname = 'x'\n")
    project = find_project(below)
    assert (project.root, project.marked, project.workers) == (folder, True, ("made_up_workers",))
    assert project.graphs == Path("flows")


def test_a_folder_without_the_mark_is_an_empty_project(folder):
    project = find_project(folder)
    assert project == Project(root=folder)
    settings = load_settings(project, {})
    assert settings.root == folder
    assert len(load_registry(settings)) == 0
    assert set(settings.models) == {"small", "large"}
    assert {model.provider for model in settings.models.values()} == {"local"}
    assert settings.state_dir == folder / ".orchestrator"


def test_a_folder_that_does_not_exist(folder):
    with pytest.raises(ProjectError, match="nowhere does not exist"):
        find_project(folder / "nowhere")


def test_mistakes_in_the_mark_name_their_lines(folder):
    with pytest.raises(ProjectError) as caught:
        project_of(folder, '[project]\nname = "x"\n\n[tool.orchestrator]\nworker = ["w"]\ngraphs = 3\n')
    assert f"{folder}/pyproject.toml:5: unknown key 'worker' in [tool.orchestrator] (did you mean 'workers'?)" in str(
        caught.value
    )
    assert f"{folder}/pyproject.toml:6: graphs in [tool.orchestrator]" in str(caught.value)


def test_a_mark_that_is_not_toml(folder):
    with pytest.raises(ProjectError, match=r"pyproject.toml:2:11: not TOML"):
        project_of(folder, "[tool.orchestrator]\nworkers = \n")


def test_somebody_elses_broken_file_further_up_is_left_alone(folder):
    write(folder / "pyproject.toml", "[broken\n")
    below = folder / "below"
    below.mkdir()
    assert not find_project(below).marked


def test_config_file_and_environment(folder):
    write(folder / "configs/default.yaml", "worker: {concurrency: 3, lease: 20}\ntelemetry:\ntenant: acme\n")
    environ = {
        "ORCHESTRATOR_WORKER_CONCURRENCY": "5",
        "ORCHESTRATOR_DATABASE_URL": "postgresql://db/x",
        "ORCHESTRATOR_TELEMETRY_CAPTURE_CONTENT": "false",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
        "ORCHESTRATOR_DEBUG": "1",
        "ORCHESTRATOR_SERVICE_HOST": "10.0.0.1",
        "ORCHESTRATOR_PORT_8700_TCP_ADDR": "10.0.0.1",
        "HOME": "/somewhere",
    }
    settings = load_settings(project_of(folder), environ)
    assert (settings.worker.concurrency, settings.worker.lease) == (5, 20.0)
    assert settings.tenant == "acme"
    assert settings.database.url == "postgresql://db/x"
    assert not settings.telemetry.capture_content
    assert settings.telemetry.otlp_endpoint == "http://collector:4318"
    assert settings.worker_modules == ("made_up_workers",)


def test_every_mistake_of_config_and_environment_in_one_go(folder):
    write(folder / "configs/default.yaml", "wroker: {}\nworker:\n  concurency: 3\n  lease: soon\nmodels: {}\nroot: x\n")
    write(folder / "configs/models.yaml", "small:\n  model: a\n  temprature: 1\nlarge: text\nhuge: {}\n")
    environ = {"ORCHESTRATOR_WORKER_CONCURENCY": "5", "ORCHESTRATOR_DATABASE_POOL_SIZE": "1"}
    with pytest.raises(ProjectError) as caught:
        load_settings(project_of(folder), environ)
    message = str(caught.value)
    config, models = folder / "configs/default.yaml", folder / "configs/models.yaml"
    for expected in (
        f"{config}:1:1: unknown key 'wroker' (did you mean 'worker'?)",
        f"{config}:3:3: unknown key 'worker.concurency' (did you mean 'concurrency'?)",
        f"{config}:4:3: worker.lease: Input should be a valid number",
        f"{config}:5:1: the tiers of models stand in models.yaml",
        f"{config}:6:1: unknown key 'root'",
        f"{models}:3:3: unknown key 'small.temprature' (did you mean 'temperature'?)",
        f"{models}:4:1: the tier 'large' is a mapping",
        f"{models}:5:1: huge: `model` is missing",
        "$ORCHESTRATOR_WORKER_CONCURENCY is no setting (did you mean 'ORCHESTRATOR_WORKER_CONCURRENCY'?)",
        "$ORCHESTRATOR_DATABASE_POOL_SIZE: database.pool_size: Input should be greater than or equal to 2",
    ):
        assert expected in message


SCALING = """\
scaling:
  interval: 0.5
  default: {max: 3, cool_down: 10}
  pools:
    documents: {min: 1, target_depth: 4, concurrency: 2}
"""


def test_a_pool_scales_by_its_own_keys_over_the_default(folder):
    write(folder / "configs/default.yaml", SCALING)
    scaling = load_settings(project_of(folder), {"ORCHESTRATOR_SCALING_DEFAULT_MAX": "5"}).scaling
    assert scaling.interval == 0.5
    assert scaling.of("documents").concurrency == 2
    assert scaling.policy("documents", 2) == ScalingPolicy(1, 5, 2, 2.0, 4.0, 10.0)
    assert scaling.policy("others", 8) == ScalingPolicy(0, 5, 8, 2.0, None, 10.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{pools: {documents: {mni: 1}}}", ":1:31: unknown key 'scaling.pools.documents.mni' (did you mean 'min'?)"),
        ("{default: {wait: 1}}", ":1:21: unknown key 'scaling.default.wait' (known: concurrency, cool_down, max"),
        ("{pool: {}}", ":1:11: unknown key 'scaling.pool' (did you mean 'pools'?)"),
        ("{pools: {documents: {min: 5}}}", ":1:1: scaling: pools.documents: min is 5 and max is 4"),
        ("{default: {target_wait: null}}", "default: either target_wait or target_depth must be given"),
        ("{pools: {documents: {cool_down: 30s}}}", "scaling.pools.documents.cool_down: Input should be a valid number"),
    ],
)
def test_mistakes_in_the_scaling_of_a_pool_name_their_place(folder, text, message):
    write(folder / "configs/default.yaml", f"scaling: {text}\n")
    with pytest.raises(ProjectError) as caught:
        load_settings(project_of(folder), {})
    assert message in str(caught.value)


SHARING = """\
sharing:
  default: {max_running: 9}
  tenants:
    acme: {weight: 3}
  pools:
    research: {max_running: 40}
"""


def test_a_tenant_shares_by_its_own_keys_over_the_default(folder):
    write(folder / "configs/default.yaml", SHARING)
    sharing = load_settings(project_of(folder), {"ORCHESTRATOR_SHARING_DEFAULT_WEIGHT": "0.5"}).sharing
    assert (sharing.of("acme").weight, sharing.of("acme").max_running) == (3.0, 9)
    assert (sharing.of("other").weight, sharing.of("other").max_running) == (0.5, 9)
    assert sharing.pools["research"].max_running == 40


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{tenants: {acme: {wieght: 1}}}", "unknown key 'sharing.tenants.acme.wieght' (did you mean 'weight'?)"),
        (
            "{tenants: {acme: {weight: 0}}}",
            "sharing.tenants.acme.weight: Input should be greater than or equal to 0.001",
        ),
        ("{pools: {io: {max_running: 0}}}", "sharing.pools.io.max_running: Input should be greater than or equal to 1"),
    ],
)
def test_mistakes_in_sharing_name_their_place(folder, text, message):
    write(folder / "configs/default.yaml", f"sharing: {text}\n")
    with pytest.raises(ProjectError) as caught:
        load_settings(project_of(folder), {})
    assert message in str(caught.value)
    assert "default.yaml:1:" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("worker: {a: 1, a: 2}\n", "duplicate key 'a'"),
        ("- a\n", "must hold a mapping"),
        ("worker: [\n", "not YAML"),
    ],
)
def test_a_config_that_is_no_yaml_mapping(folder, text, message):
    write(folder / "configs/default.yaml", text)
    with pytest.raises(ProjectError, match=message):
        load_settings(project_of(folder), {})


def test_a_config_that_the_mark_names_must_be_there(folder):
    with pytest.raises(ProjectError, match=r"names the config other\.yaml, which is no file"):
        load_settings(project_of(folder, '[tool.orchestrator]\nconfig = "other.yaml"\n'), {})


@pytest.mark.parametrize(
    ("tier", "environ", "provider", "base_url", "reason"),
    [
        ("{model: m}", {}, "local", None, "neither OPENAI_API_KEY nor OPENAI_BASE_URL is set"),
        ("{model: m}", {"OPENAI_API_KEY": ""}, "local", None, "neither"),
        ("{model: m}", {"OPENAI_API_KEY": "k"}, "openai", None, "OPENAI_API_KEY is set"),
        ("{model: m}", {"OPENAI_BASE_URL": "http://x/v1"}, "openai", "http://x/v1", "OPENAI_BASE_URL is set"),
        ("{model: m, base_url: 'http://y'}", {}, "openai", "http://y", "gives a base_url"),
        ("{model: m, provider: openai}", {}, "openai", None, "says provider: openai"),
        ("{provider: local}", {"OPENAI_API_KEY": "k"}, "local", None, "says provider: local"),
        ("{model: m, api_key_env: KEY}", {"KEY": "k"}, "openai", None, "KEY is set"),
    ],
)
def test_which_model_stands_behind_a_tier(folder, tier, environ, provider, base_url, reason):
    write(folder / "configs/models.yaml", f"only: {tier}\n")
    settings = load_settings(project_of(folder), environ)
    assert set(settings.models) == {"only"}
    model = settings.models["only"]
    assert (model.provider, model.base_url) == (provider, base_url)
    assert reason in model.reason
    assert model.model == ("m" if provider == "openai" else "smollm2-135m-instruct")
    assert model.input_price == (None if provider == "openai" else 0.0)
    assert "timeout" not in model.model_fields_set


def test_the_environment_changes_a_tier(folder):
    environ = {
        "OPENAI_API_KEY": "k",
        "ORCHESTRATOR_MODELS_SMALL_MODEL": "other",
        "ORCHESTRATOR_MODELS_SMALL_EXTRA": '{"seed": 1}',
    }
    settings = load_settings(project_of(folder), environ)
    assert settings.models["small"].model == "other"
    assert settings.models["small"].extra == {"seed": 1}


def test_workers_are_imported_from_every_module(folder):
    write(folder / "made_up_workers/__init__.py", "")
    write(
        folder / "made_up_workers/deep/text.py",
        "from orchestrator.worker import worker\n\n@worker('text.upper')\ndef upper(text: str) -> str:\n"
        "    return text\n",
    )
    write(folder / "made_up_workers/deep/__init__.py", "from made_up_workers.deep.text import upper\n")
    registry = load_registry(load_settings(project_of(folder), {}))
    assert list(registry.catalogue) == ["text.upper"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\nraise ValueError('no')\n", "bad.py:2: the module made_up_workers.bad does not import: ValueError: no"),
        ("x = (\n", "bad.py:1: the module made_up_workers.bad does not import: SyntaxError"),
        ("import nowhere_to_be_found\n", "bad.py:1: the module made_up_workers.bad does not import: ModuleNotFound"),
        ("import sys\nsys.exit(3)\n", "bad.py:2: the module made_up_workers.bad does not import: SystemExit: 3"),
        (
            "from orchestrator.worker import worker\n@worker('Bad Name')\ndef f() -> int:\n    return 1\n",
            "a name is lower-case words",
        ),
    ],
)
def test_a_module_that_does_not_import_is_named_with_its_line(folder, text, message):
    write(folder / "made_up_workers/__init__.py", "")
    write(folder / "made_up_workers/bad.py", text)
    with pytest.raises(ProjectError) as caught:
        load_registry(load_settings(project_of(folder), {}))
    assert message in str(caught.value)


def test_a_package_that_is_not_there(folder):
    with pytest.raises(ProjectError, match="there is no package or module 'made_up_workers'"):
        load_registry(load_settings(project_of(folder), {}))


def test_another_projects_package_of_the_same_name_is_not_taken(folder):
    code = "from orchestrator.worker import worker\n\n@worker('{}')\ndef f() -> int:\n    return 1\n"
    names = []
    for name in ("first.one", "second.one"):
        place = folder / name
        write(place / "made_up_workers/__init__.py", code.format(name))
        names += list(load_registry(load_settings(project_of(place), {})).catalogue)
    assert names == ["first.one", "second.one"]


def test_graphs_by_name_and_by_path(folder, monkeypatch):
    settings = Settings(root=folder)
    file = write(folder / "graphs/brief.yaml", "")
    other = write(folder / "elsewhere/other.yml", "")
    monkeypatch.chdir(folder / "elsewhere")
    assert graph_path(settings, "brief") == file
    assert graph_path(settings, "brief.yaml") == file
    assert graph_path(settings, "graphs/brief.yaml") == file
    assert graph_path(settings, Path("other.yml")) == Path("other.yml")
    assert graph_path(settings, other) == other
    assert graph_path(settings, "nothing") is None
    assert graph_path(settings, "nothing.yaml") is None


@pytest.mark.parametrize("config", ["default.yaml", "production.example.yaml"])
def test_this_repositorys_own_configs_are_valid(config):
    project = Project(root=REPOSITORY, marked=True, config=Path("configs") / config)
    settings = load_settings(project, {})
    assert set(settings.models) == {"small", "large"}
    if config == "default.yaml":
        assert settings.model_copy(update={"models": {}, "root": REPOSITORY}) == Settings(root=REPOSITORY)
