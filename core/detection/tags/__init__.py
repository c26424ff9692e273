"""Several labels a sample: which tag is one too many, and which is missing.

In: a sparse table of tags and the features of the samples (``TagInputs``). Out: beliefs and faults of every pair of
sample and tag (``TagEvidence``).
"""

from .beliefs import TagInputs
from .evidence import TAGS_VERSION, TagEvidence, judge_tags, tag_reasons

__all__ = ["TAGS_VERSION", "TagEvidence", "TagInputs", "judge_tags", "tag_reasons"]
