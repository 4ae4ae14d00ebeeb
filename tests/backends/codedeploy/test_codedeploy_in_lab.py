"""The backend against the lab's CodeDeploy, by the public command line, with the worked example's own bundle."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from deployer.lab.examples import web_release
from tests.backends.codedeploy.shell import APPLICATION, GROUP, Shell, broken, document, until
from tests.patience import PATIENCE

pytestmark = pytest.mark.lab


def test_a_plan_tells_what_would_be_made_and_makes_nothing(shell: Shell) -> None:
    before = shell.deployments()
    plan = document(shell.run("plan", "--release", shell.other(), "--strategy", "zone-by-zone", "--output", "json"))

    assert plan["steps"][0].endswith(f"the CodeDeploy application {APPLICATION}")
    assert "deployer-zone-by-zone-at-least-2-healthy-and-0-in-each" in plan["steps"][2]
    assert plan["steps"][3].startswith(("upload s3://lab-bundles/deployer/web/", "use s3://lab-bundles/deployer/"))
    assert shell.deployments() == before
    configs = shell.client("codedeploy").list_deployment_configs()["deploymentConfigsList"]
    assert all(name.startswith("CodeDeployDefault.") for name in configs)


def test_what_has_no_counterpart_is_refused_with_exit_code_5(shell: Shell) -> None:
    refused = shell.run("rollout", "--release", shell.other(), "--soak", "30s")

    assert refused.returncode == 5
    assert "leave soak" in refused.stderr


def test_the_example_is_rolled_out_and_a_second_time_there_is_nothing_to_do(shell: Shell) -> None:
    goal = shell.other()
    done = shell.run("rollout", "--release", goal, "--output", "json")

    assert done.returncode == 0, done.stderr
    found = document(done)
    assert (found["backend"], found["method"], found["status"]) == ("codedeploy", "in-place", "succeeded")
    assert found["instances"]["replaced"] == 4
    assert set(found["instances"]["new"]) == set(found["instances"]["old"])
    assert found["in_service"] == {"floor": 2, "lowest": 2}
    assert shell.releases() == {goal}
    for event in ("BlockTraffic", "ApplicationStop", "Install", "ValidateService", "AllowTraffic"):
        assert done.stderr.count(f"{event} succeeded") >= 4

    called = {name for name in found["api_calls"]["by_operation"] if name.startswith("codedeploy:")}
    policy = document(shell.run("iam-policy"))
    assert called <= {action for one in policy["Statement"] for action in one["Action"]}

    made = shell.deployments()
    again = shell.run("rollout", "--release", goal, "--output", "json")
    assert document(again)["status"] == "nothing_to_do"
    assert shell.deployments() == made


def test_a_failing_hook_is_shown_with_what_it_said_and_the_release_before_comes_back(
    shell: Shell, tmp_path: Path
) -> None:
    was, goal = shell.releases(), shell.other()
    bundle = broken(tmp_path, goal, "application-start")

    done = shell.run("rollout", "--release", goal, "--bundle", bundle, "--output", "json")

    assert done.returncode == 1, done.stderr
    found = document(done)
    assert found["status"] == "rolled_back"
    assert found["instances"]["failed"] == 0, "what failed has its old release again"
    assert "ApplicationStart" in found["reason"]
    assert "the shop has no shelves" in done.stderr
    assert shell.releases() == was
    assert shell.status()["in_service"] == 4


def test_an_interrupted_rollout_leaves_out_only_whom_it_names_and_is_resumed(
    shell: Shell,
) -> None:
    goal = shell.other()
    before = shell.deployments()
    process = shell.start("rollout", "--release", goal)
    try:
        until(lambda: shell.deployments() != before or process.poll() is not None)
        until(lambda: shell.deployment().get("status") == "InProgress" or process.poll() is not None)
        why = shell.run("why", next(iter(shell.disks())))
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()

    assert process.returncode == 130, said
    assert f"CodeDeploy: the deployment {shell.deployments()[0]} of {GROUP} is InProgress" in why.stdout
    assert shell.deployment()["status"] == "Stopped"
    now = shell.status()
    out = [one["id"] for one in now["instances"] if one["targets"]["shop-web"]["state"] != "healthy"]
    assert now["in_service"] == 4 - len(out) >= 2
    # Whom the stop found between ApplicationStop and ApplicationStart has nothing to serve with.
    assert ("do not answer: " + ", ".join(sorted(out)) in said) is bool(out), said

    resumed = shell.run("resume", "--output", "json")
    assert resumed.returncode == 0, resumed.stderr
    assert shell.releases() == {goal}


def test_a_running_deployment_of_the_same_revision_is_adopted_and_another_refused(shell: Shell) -> None:
    goal = shell.other()
    before = shell.deployments()
    first = shell.start("rollout", "--release", goal)
    try:
        until(lambda: shell.deployments() != before or first.poll() is not None)
        revision = shell.deployment()["revision"]
        first.send_signal(signal.SIGINT)
        said, _ = first.communicate(timeout=PATIENCE)
    finally:
        first.kill()
    assert first.returncode == 130, said
    assert shell.run("abort").returncode == 0
    running = shell.client("codedeploy").create_deployment(
        applicationName=APPLICATION,
        deploymentGroupName=GROUP,
        deploymentConfigName="CodeDeployDefault.OneAtATime",
        revision=revision,
    )["deploymentId"]

    bundle = str(web_release(int(goal)))
    refused = shell.run("rollout", "--release", "9", "--bundle", bundle, "--on-failure", "stop")
    adopted = shell.run("rollout", "--release", goal, "--output", "json")

    assert refused.returncode == 4, refused.stderr
    assert f"the deployment {running} of another revision runs" in refused.stderr
    assert adopted.returncode == 0, adopted.stderr
    assert f"the deployment {running} of this revision runs already" in adopted.stderr
    assert shell.deployments()[0] == running
    assert shell.releases() == {goal}
