"""Hooks and gates: what a user hangs into a rollout, and what has to agree before it goes on."""

from __future__ import annotations

BUILT_IN = {
    "alarms": "deployer.hooks.alarms:Alarms",
    "approval": "deployer.hooks.approval:Approval",
    "command": "deployer.hooks.command:Command",
    "metric": "deployer.hooks.metric:Metric",
    "migrate": "deployer.hooks.migrate:Migrate",
    "release_mark": "deployer.hooks.release_mark:ReleaseMark",
    "slack": "deployer.hooks.messages:Slack",
    "smoke_test": "deployer.hooks.smoke_test:SmokeTest",
    "sns": "deployer.hooks.messages:Sns",
    "static_assets": "deployer.hooks.static_assets:StaticAssets",
    "time_window": "deployer.hooks.time_window:TimeWindow",
    "warm_up": "deployer.hooks.smoke_test:WarmUp",
    "webhook": "deployer.hooks.webhook:Webhook",
}
"""Those that come with deployer, by name; others are found in the entry-point group `deployer.hooks`."""
