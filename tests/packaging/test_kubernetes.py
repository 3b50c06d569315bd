"""configs/kubernetes: valid against the schemas, and true to this package: commands, pools, names, times, queries."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import typer
import yaml

from orchestrator.cli import application
from orchestrator.domain.identity import new_process_id
from orchestrator.domain.scaling import Scale, ScalingPolicy, rescale, slots_of
from orchestrator.project import find_project, load_registry, load_settings
from orchestrator.store import Database
from orchestrator.store.pools import pool_loads
from tests.integration.store.scene import Scene, submit
from tests.packaging.kubernetes import FOLDER, REPOSITORY, container, files, of_kind, pool_files, resources

VERSIONS = ("1.30", "1.33", kubernetes_validate.latest_version())
KEDA = json.loads((REPOSITORY / "tests/packaging/keda_scaled_object.schema.json").read_text())
HEALTH = "/run/orchestrator/health"


def check(resource: dict, version: str) -> None:
    """Against Kubernetes' own schema, unknown keys refused, or against what KEDA documents."""
    if resource["apiVersion"] != "keda.sh/v1alpha1":
        kubernetes_validate.validate(resource, version, strict=True)
        return
    jsonschema.validate(resource, KEDA)
    config = resource["spec"].get("advanced", {}).get("horizontalPodAutoscalerConfig", {})
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "made-by-keda"},
        "spec": {
            "maxReplicas": resource["spec"]["maxReplicaCount"],
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", **resource["spec"]["scaleTargetRef"]},
            "behavior": config.get("behavior", {}),
        },
    }
    kubernetes_validate.validate(scaler, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("file", files(), ids=lambda file: file.name)
def test_every_file_is_valid(file: Path, version: str):
    for resource in resources(file):
        check(resource, version)


def test_the_check_itself_finds_mistakes():
    (deployment, _, scaled) = resources(pool_files()[0])
    wrong = copy.deepcopy(deployment)
    container(wrong)["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        check(wrong, VERSIONS[0])
    for path, value in (("cooldown", 1), ("maxReplicaCount", 0)):
        with pytest.raises(jsonschema.ValidationError):
            check({**scaled, "spec": {**scaled["spec"], path: value}}, VERSIONS[0])
    wrong = copy.deepcopy(scaled)
    wrong["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleUp"]["policy"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        check(wrong, VERSIONS[0])


def test_the_kustomization_lists_every_file_but_the_example():
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == sorted(
        str(file.relative_to(FOLDER)) for file in files() if not file.name.endswith(".example.yaml")
    )


def test_the_names_of_the_environment_are_settings():
    said = {
        **of_kind("ConfigMap")["orchestrator-settings"]["data"],
        **of_kind("Secret")["orchestrator-secrets"]["stringData"],
    }
    settings = load_settings(find_project(REPOSITORY), said)
    assert settings.database.url == said["ORCHESTRATOR_DATABASE_URL"]
    assert settings.worker.grace == 60
    commented = re.findall(r"# (ORCHESTRATOR_\w+): (\S+)", (FOLDER / "settings.yaml").read_text())
    assert commented
    load_settings(find_project(REPOSITORY), dict(commented))


@pytest.mark.parametrize("deployment", of_kind("Deployment").values(), ids=list(of_kind("Deployment")))
def test_a_deployment_starts_what_there_is_and_ends_it_in_time(deployment: dict):
    it = container(deployment)
    assert it["command"] == ["orchestrator"]
    name, *options = it["args"]
    command = typer.main.get_command(application).commands[name]
    parsed = command.make_context(name, list(options)).params
    assert str(parsed["health_file"]) == HEALTH
    assert any(HEALTH.startswith(mount["mountPath"]) for mount in it["volumeMounts"])
    pod = deployment["spec"]["template"]
    labels = deployment["spec"]["selector"]["matchLabels"]
    assert labels == pod["metadata"]["labels"] == deployment["metadata"]["labels"]
    budget = of_kind("PodDisruptionBudget")[deployment["metadata"]["name"]]
    assert budget["spec"]["selector"]["matchLabels"] == labels
    policy = of_kind("NetworkPolicy")["orchestrator-no-ingress"]["spec"]["podSelector"]["matchLabels"]
    assert policy.items() <= labels.items()
    if name == "worker":
        grace = int(of_kind("ConfigMap")["orchestrator-settings"]["data"]["ORCHESTRATOR_WORKER_GRACE"])
        assert pod["spec"]["terminationGracePeriodSeconds"] >= grace + 10
    held = {next(iter(ref.values()))["name"] for ref in it["envFrom"]}
    assert held == {*of_kind("ConfigMap"), *of_kind("Secret")}


@pytest.mark.parametrize("file", pool_files(), ids=lambda file: file.stem)
def test_a_pool_is_one_of_this_project_and_scales_by_its_own_slots(file: Path):
    deployment, _, scaled = resources(file)
    settings = load_settings(find_project(REPOSITORY), {})
    registry = load_registry(settings)
    assert file.stem in registry.pools
    args = container(deployment)["args"]
    assert args[args.index("--pool") + 1] == file.stem
    concurrency = int(args[args.index("--concurrency") + 1])
    metadata = scaled["spec"]["triggers"][0]["metadata"]
    assert int(metadata["targetQueryValue"]) == slots_of(file.stem, registry.catalogue.values(), concurrency)
    assert metadata["connectionFromEnv"] in of_kind("Secret")["orchestrator-secrets"]["stringData"]
    assert scaled["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]


def test_every_pool_of_this_project_is_served():
    registry = load_registry(load_settings(find_project(REPOSITORY), {}))
    assert {file.stem for file in pool_files()} == set(registry.pools)


def test_the_pools_differ_in_nothing_but_their_names_and_numbers():
    def shape(file: Path) -> str:
        text = file.read_text().replace(file.stem, "POOL").partition("apiVersion")[2]
        text = re.sub(r".*mountPath: /app/out.*\n", "", text)
        return re.sub(r'"\d+"|\d+m\b|\d+[MG]i\b|(?<=maxReplicaCount: )\d+', "N", text)

    assert len({shape(file) for file in pool_files()}) == 1


def test_the_liveness_probe_tells_fresh_from_old(tmp_path: Path):
    for deployment in of_kind("Deployment").values():
        probe = container(deployment)["livenessProbe"]["exec"]["command"]
        file = tmp_path / "health"
        command = [word.replace(HEALTH, str(file)) for word in probe]
        file.unlink(missing_ok=True)
        assert subprocess.run(command, check=False, capture_output=True).returncode != 0
        file.touch()
        assert subprocess.run(command, check=False).returncode == 0
        old = file.stat().st_mtime - 40
        os.utime(file, (old, old))
        assert subprocess.run(command, check=False).returncode != 0


@pytest.mark.parametrize(
    ("queued", "claimed", "waited", "given"),
    [(0, 0, 0, 0), (1, 0, 0, 1), (30, 0, 60, 1), (30, 3, 0, 3), (30, 3, 60, 33), (0, 5, 0, 5), (9, 5, 9, 14)],
)
async def test_a_query_gives_what_the_policy_would(
    database: Database, queued: int, claimed: int, waited: int, given: int
):
    scene = Scene(database, await submit(database), new_process_id())
    await database.execute(
        "INSERT INTO processes (id, kind, host, pid, pools) VALUES ($1, 'worker', 'pod', 1, $2)",
        *(scene.process, ["documents"]),
    )
    await scene.queue(*(scene.order(item=item, pool="documents") for item in range(queued + claimed)))
    await scene.queue(scene.order("other", pool="others"), scene.order("later", pool="documents", delay=600.0))
    for _ in range(claimed):
        assert await scene.claim(pool="documents") is not None
    await database.execute("UPDATE attempts SET not_before = not_before - make_interval(secs => $1)", float(waited))

    (scaled,) = [each for each in resources(FOLDER / "pools/documents.yaml") if each["kind"] == "ScaledObject"]
    metadata = scaled["spec"]["triggers"][0]["metadata"]
    slots = int(metadata["targetQueryValue"])
    value = await database.fetchval(metadata["query"])
    assert (value, type(value)) == (given, int)
    replicas = -(-value // slots)
    policy = ScalingPolicy(min=0, max=scaled["spec"]["maxReplicaCount"], slots=slots, target_wait=2.0)
    load = (await pool_loads(database, ["documents"], [("pod", 1)], dead_after=8.0))["documents"]
    assert load.queued == queued
    # From one process, with room for the double; from none the first attempt brings one.
    wanted = rescale(policy, load, Scale(1 if claimed else 0), now=0.0).wanted
    assert min(replicas, 2 if claimed else 1) == wanted


def test_the_dockerfile_copies_what_there_is():
    text = (FOLDER / "Dockerfile").read_text()
    sources = [words[1:-1] for line in text.splitlines() if (words := line.split()) and words[0] == "COPY"]
    for source in [each for group in sources for each in group if not each.startswith(("--", "/"))]:
        assert (REPOSITORY / source).exists(), source
    assert "USER 10001" in text
