"""Whether a model saw what was published, shown by twins: of each sample a coin chose one of two versions to publish.

Under "this model never saw the published data" every coin is fair given all else, so the p-value is exact whatever the
model is. docs/evidence.md says what that proves.
"""
