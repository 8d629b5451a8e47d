"""Kubeflow components, made from the description of the chain; interface only. What a step does stands in ``solid``.

A component says what goes into a step and what comes out of it, and puts that into the step's command line. Settings
come as whole sections of ``params.yaml``, just the ones that the step reads, so that Kubeflow's cache runs a step again
when its own settings change and not otherwise.
"""
