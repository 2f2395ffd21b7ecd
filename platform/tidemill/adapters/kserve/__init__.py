"""Rollouts on a cluster: the InferenceService of each step, for KServe's two ways to split traffic.

KServe decides nothing (kserve#3085): the steps come from the Rollout, the judgement from
`tidemill.engine.rollout`. A manifest is a typed dictionary, checked before it leaves.
"""

from tidemill.adapters.kserve.manifests import ClusterConfig, render, render_steps

__all__ = ["ClusterConfig", "render", "render_steps"]
