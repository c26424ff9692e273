"""Files of boxes (COCO, YOLO, Pascal VOC): read, checked, and given back with nothing lost.

In: an annotation file, or a folder of them. Out: boxes and faults; after review, the same files with the edits alone.
"""

from .base import AddedBox, AnnotationForm, Annotations, Box, BoxEdit, Picture
from .forms import annotation_form, read_annotations
from .integrity import Fault, check_annotations

__all__ = [
    "AddedBox",
    "AnnotationForm",
    "Annotations",
    "Box",
    "BoxEdit",
    "Fault",
    "Picture",
    "annotation_form",
    "check_annotations",
    "read_annotations",
]
