"""The map as a plotly figure, for notebooks: the one place in ``core`` that draws (decision 0002).

Plotly is imported inside the function, so that scans and servers never load it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import WorkspaceError
from .verdict_style import STATUSES

if TYPE_CHECKING:
    import pandas as pd


def map_figure(points: pd.DataFrame, colour: str, title: str) -> Any:
    """A scatter of the projection.

    Parameters
    ----------
    points
        Columns sample_id, x, y, label, verdict and the column named ``colour``. Rows without a place are left out.
        Sample ids ride along in ``customdata``.
    """
    import plotly.graph_objects as go

    shown = points[np.isfinite(points["x"]) & np.isfinite(points["y"])]
    if shown.empty:
        raise WorkspaceError("This workspace has no map yet. Scan again without --no-map to draw it.")
    figure = go.Figure()
    values = shown[colour]
    if values.dtype.kind == "f":
        figure.add_trace(_trace(go, shown, colour, {"color": values, "colorscale": "Viridis", "showscale": True}))
    else:
        names = list(STATUSES) if colour == "verdict" else sorted(values.astype(str).unique())
        for name in names:
            part = shown[values.astype(str) == name]
            if len(part):
                marker = {"color": STATUSES[name].colour} if colour == "verdict" else {}
                says = STATUSES[name].name if colour == "verdict" else name
                figure.add_trace(_trace(go, part, says, marker))
    figure.update_layout(
        title=title,
        template="simple_white",
        dragmode="lasso",
        legend={"itemsizing": "constant"},
        xaxis={"visible": False},
        yaxis={"visible": False, "scaleanchor": "x"},
        margin={"l": 8, "r": 8, "t": 48, "b": 8},
    )
    return figure


def _trace(go: Any, part: pd.DataFrame, name: str, marker: dict[str, Any]) -> Any:
    return go.Scattergl(
        x=part["x"],
        y=part["y"],
        mode="markers",
        name=name,
        customdata=part["sample_id"],
        text=part["label"].fillna("no label").astype(str) + " · " + part["verdict"].astype(str),
        hovertemplate="%{customdata}<br>%{text}<extra></extra>",
        marker={"size": 4, "opacity": 0.7, **marker},
    )


def map_widget(figure: Any) -> Any:
    """The figure as a widget of a notebook, with the samples selected on it in ``selected``.

    Parameters
    ----------
    figure
        Of :func:`map_figure`.

    Returns
    -------
    plotly.graph_objects.FigureWidget
        ``selected``: list of str, the ids inside the last lasso or box, in the order of the traces; [] = none.

    Raises
    ------
    WorkspaceError
        The packages of ``winnow[notebook]`` are not installed.
    """
    import plotly.graph_objects as go

    try:
        import anywidget  # noqa: F401 - what plotly's widget stands on

        base = go.FigureWidget
    except ImportError:
        raise WorkspaceError(
            "The map as a widget needs the package anywidget: pip install 'winnow[notebook]'. "
            "Without it, Workspace.map() draws the same map."
        ) from None

    class MapWidget(base):  # type: ignore[misc,valid-type]
        @property
        def selected(self) -> list[str]:
            """Ids of the samples inside the last lasso or box."""
            return [str(trace.customdata[i]) for trace in self.data for i in trace.selectedpoints or ()]

    return MapWidget(figure)
