"""A Sphinx extension: below each figure of the site, links to the figure as SVG and as PNG.

A cell that shows a figure gives it in both formats (`figures.style.use_style`). Sphinx would put the first on the page
and drop the other; here the other is saved too, and both files are named after the figure's label.
"""

import posixpath
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.osutil import relative_uri

FORMATS = {"image/svg+xml": "svg", "image/png": "png"}


class FigureDownloads(SphinxPostTransform):
    """Save each labelled figure that comes in several formats, and append a line of links to it."""

    # Just before MyST-NB selects one format and drops the others.
    default_priority = 3
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Look at every figure of the page."""
        for figure in list(self.document.findall(nodes.figure)):
            images = _images(figure)
            if figure["names"] and len(images) == len(FORMATS):
                figure += self._links(figure["names"][0], images)

    def _links(self, label: str, images: dict[str, nodes.image]) -> nodes.paragraph:
        builder = self.app.builder
        folder = relative_uri(builder.get_target_uri(self.env.docname), builder.imagedir)
        (Path(builder.outdir) / builder.imagedir).mkdir(parents=True, exist_ok=True)
        line = nodes.paragraph(classes=["figure-downloads"])
        for ending, image in images.items():
            name = f"{label}.{ending}"
            shutil.copyfile(Path(self.env.srcdir) / image["uri"], Path(builder.outdir) / builder.imagedir / name)
            # The builder copies the image of the page under the name found here: the same one.
            self.env.images[image["uri"]] = ({self.env.docname}, name)
            link = nodes.reference("", ending.upper(), refuri=posixpath.join(folder, name))
            link["reftitle"] = f"{label} as {ending.upper()}"
            line += [nodes.Text(" · "), link] if len(line) else link
        return line


def _images(figure: nodes.figure) -> dict[str, nodes.image]:
    """Return, by ending, the image of each format that a figure's cell gave."""
    found = {}
    for bundle in figure.findall(lambda node: isinstance(node, nodes.container) and "mime_type" in node):
        for image in bundle.findall(nodes.image):
            if bundle["mime_type"] in FORMATS:
                found[FORMATS[bundle["mime_type"]]] = image
    return {ending: found[ending] for ending in FORMATS.values() if ending in found}


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the transform with Sphinx."""
    app.add_post_transform(FigureDownloads)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
