"""The manifests under deploy/kubernetes: as Kubernetes' own schemas want them, and as our commands do."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from ermu.cli import app
from ermu.fleet.check import check_fleet
from ermu.runtime.config.schema import StreamsFile
from ermu.runtime.config.streams_file import read_streams_file
from tests.support.import_graph import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
DOCUMENTS = {
    f"{file.stem}/{document['kind']}/{document['metadata']['name']}": document
    for file in sorted(FOLDER.glob("*.yaml"))
    for document in yaml.safe_load_all(file.read_text("utf-8"))
}
DEPLOYMENTS = {name: each for name, each in DOCUMENTS.items() if each["kind"] == "Deployment"}
PODS = [
    *(each["spec"]["template"] for each in DEPLOYMENTS.values()),
    *(
        group["template"]
        for each in DOCUMENTS.values()
        if each["kind"] == "RayCluster"
        for group in (each["spec"]["headGroupSpec"], *each["spec"]["workerGroupSpecs"])
    ),
]


def validate(document: dict[str, Any]) -> None:
    if find_spec("kubernetes_validate") is None:
        pytest.skip("pip install kubernetes-validate")
    import kubernetes_validate

    kubernetes_validate.validate(document, "1.30", strict=True)


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if "RayCluster" not in name])
def test_each_document_is_as_kubernetes_wants_it(name: str) -> None:
    validate(DOCUMENTS[name])


@pytest.mark.parametrize("number", range(len(PODS)))
def test_each_pod_is_too_those_of_the_operator_among_them(number: int) -> None:
    """KubeRay's own kind has no schema here; what is in its pods is Kubernetes'."""
    template = PODS[number]
    validate({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": template["spec"]})
    assert template["spec"]["securityContext"]["runAsNonRoot"] is True


def test_a_mistake_is_seen() -> None:
    validate(next(iter(DEPLOYMENTS.values())))
    wrong = yaml.safe_load(yaml.safe_dump(next(iter(DEPLOYMENTS.values()))))
    wrong["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    import kubernetes_validate

    with pytest.raises(kubernetes_validate.ValidationError):
        validate(wrong)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_commands_have_the_options_given_and_time_to_end(name: str) -> None:
    spec = DEPLOYMENTS[name]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    group: Any = typer.main.get_command(app)
    command = group.get_command(None, container["args"][0])
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word.split("=")[0] for word in container["args"][1:]} <= known
    assert spec["terminationGracePeriodSeconds"] >= 10
    assert {container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness")} == {"/healthz"}
    assert DEPLOYMENTS[name]["spec"]["strategy"]["type"] == "Recreate"


def test_the_files_in_them_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YARD_PASSWORD", "of the yard")

    def read(name: str) -> StreamsFile:
        (held,) = DOCUMENTS[name]["data"].values()
        (tmp_path / "file.yaml").write_text(held)
        return read_streams_file(tmp_path / "file.yaml")

    assert read("serve/ConfigMap/ermu-streams").streams[0].password == "of the yard"
    fleet = read("fleet/ConfigMap/ermu-fleet")
    fleet = fleet.model_copy(update={"sessions": str(tmp_path)})
    wrong = [each for each in check_fleet(fleet, host="0.0.0.0:8000", token=True) if each.wrong]
    assert not [each for each in wrong if "Ray" not in each.text]
    (cluster,) = (each for each in DOCUMENTS.values() if each["kind"] == "RayCluster")
    assert fleet.fleet.address == f"{cluster['metadata']['name']}-head-svc:6379"
