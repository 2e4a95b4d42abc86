"""Figures of loss landscapes: maps in logarithmic colours, a surface with its walls, slices, and Hessian spectra.

Points where a loss is infinite or not a number are left grey, or out of a line.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.analysis import style
from rnnjax.analysis.drawing import checked_mapping
from rnnjax.analysis.hessian import SpectralDensity
from rnnjax.analysis.landscape import Landscape
from rnnjax.errors import check

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NOT_FINITE = "#B8BEC6"
"""The colour of points without a finite value."""


def landscape_figure(
    found: Landscape,
    *,
    labels: Sequence[str] = ("direction 1", "direction 2"),
    paths: Mapping[str, Any] | None = None,
    title: str | None = None,
) -> Figure:
    """Maps of the loss, and beside it of the norm of its gradient, in colours that count decades.

    A scale is logarithmic where no value is negative, most are not zero, and they span more than a factor of ten, over
    twelve decades at most; else it is linear.

    Args:
      found: over a plane, from `landscape`.
      labels: of the two axes.
      paths: by name, `[snapshots, 2]`, coordinates of ways over the plane, as from `trajectory_plane`; each ends at a
        dot, or at the edge of the map.
      title: above the maps.

    Raises:
      InputError: a landscape along a line, or a path with another number of coordinates.
    """
    _check_plane(found)
    ways = {name: np.asarray(way, float) for name, way in (paths or {}).items()}
    for name, way in ways.items():
        check(way.ndim == 2 and way.shape[1] == 2, f"paths[{name!r}]", f"shape {way.shape}", "[snapshots, 2]")
    maps: dict[str, tuple[Any, str]] = {"loss": (found.loss, "viridis")}
    if found.gradient_norm is not None:
        maps["gradient norm"] = (found.gradient_norm, "magma")
    if found.curvature is not None:
        maps["curvature along the gradient"] = (np.abs(np.asarray(found.curvature)), "magma")
    with style.applied():
        figure = style.new_figure(width=style.WIDTH if len(maps) > 1 else 3.9, height=2.9 if len(maps) < 3 else 2.4)
        panels = figure.subplots(1, len(maps), sharex=True, sharey=True, squeeze=False)[0]
        strokes = style.strokes(ways)
        for axes, (name, (values, colours)) in zip(panels, maps.items(), strict=True):
            mesh = _map(axes, found, np.asarray(values, float), colours)
            bar = figure.colorbar(mesh, ax=axes, pad=0.02, aspect=28)
            bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
            axes.set_title(f"|{name}|" if name.startswith("curvature") else name)
            axes.grid(False)
            for way_name, way in ways.items():
                stroke = strokes[way_name]
                axes.plot(*way.T, color="white", linewidth=2.6)
                axes.plot(*way.T, color=stroke.color, linewidth=1.3, label=way_name)
                axes.plot(*way[-1], "o", color=stroke.color, markeredgecolor="white", markersize=4.5)
            axes.set_xlabel(labels[0])
        panels[0].set_xlim(found.coordinates[0].min(), found.coordinates[0].max())
        panels[0].set_ylim(found.coordinates[1].min(), found.coordinates[1].max())
        panels[0].set_ylabel(labels[1])
        if ways:
            figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(ways))
        if title:
            figure.suptitle(title, fontsize=style.SETTINGS["font.size"])
        style.settle(figure)
    return figure


def surface_figure(
    found: Landscape,
    *,
    labels: Sequence[str] = ("direction 1", "direction 2"),
    log: bool = True,
    elevation: float = 32.0,
    azimuth: float = -60.0,
    title: str | None = None,
) -> Figure:
    """The loss as a surface over the plane, coloured by the norm of its gradient: a wall stands out in both.

    Args:
      found: over a plane, from `landscape`.
      labels: of the two axes.
      log: whether heights are logarithms; what is not positive is then left out.
      elevation: from where it is seen, degrees above the plane.
      azimuth: and around it.
      title: above the surface.

    Raises:
      InputError: a landscape along a line.
    """
    _check_plane(found)
    heights = np.asarray(found.loss, float)
    colours = heights if found.gradient_norm is None else np.asarray(found.gradient_norm, float)
    with style.applied():
        from matplotlib import colormaps
        from matplotlib.cm import ScalarMappable

        figure = style.new_figure(width=5.2, height=3.9)
        axes: Any = figure.add_subplot(projection="3d", computed_zorder=False)
        heights = np.where(np.isfinite(heights) & ((heights > 0) | (not log)), heights, np.nan)
        shown = np.log10(heights) if log else heights
        norm = _scale(colours)
        faces = colormaps["magma"](norm(np.ma.masked_invalid(colours)))
        across, along = np.meshgrid(*found.coordinates, indexing="ij")
        look: dict[str, Any] = dict(rstride=1, cstride=1, linewidth=0, antialiased=False, shade=False)
        axes.plot_surface(across, along, shown, facecolors=faces, rasterized=True, **look)
        axes.view_init(elev=elevation, azim=azimuth)
        axes.set_box_aspect((4, 4, 3), zoom=0.84)  # room for the labels
        axes.set(xlabel=labels[0], ylabel=labels[1])
        axes.zaxis.set_rotate_label(False)
        axes.set_zlabel("loss", rotation=90)
        for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
            axis.pane.set_facecolor("white")
            axis.pane.set_edgecolor(style.GRID)
            axis._axinfo["grid"].update(color=style.GRID, linewidth=0.6)
            axis.set_tick_params(pad=0)
        axes.locator_params(nbins=5)
        if log:
            axes.zaxis.set_major_formatter(lambda value, _: f"$10^{{{value:g}}}$")
        label = "loss" if found.gradient_norm is None else "gradient norm"
        bar = figure.colorbar(ScalarMappable(norm, "magma"), ax=axes, shrink=0.6, pad=0.12, aspect=24, label=label)
        bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
        axes.set_title(title or "", loc="left")
        style.settle(figure)
    return figure


def slice_figure(
    slices: Mapping[str, Landscape],
    *,
    xlabel: str = "distance along the direction",
    names: Iterable[str] | None = None,
    title: str | None = None,
) -> Figure:
    """The loss along lines, and below it the norm of its gradient on a logarithmic axis.

    Args:
      slices: by name, landscapes along a line.
      xlabel: what the coordinate is.
      names: all names that share the palette; given the same, several figures show a name in the same colour.
      title: above the panels.

    Raises:
      InputError: nothing to draw, or a landscape over a plane.
    """
    for name, found in checked_mapping("slices", slices).items():
        check(len(found.coordinates) == 1, f"slices[{name!r}]", "a plane", "a landscape along a line")
    with style.applied():
        steep = all(found.gradient_norm is not None for found in slices.values())
        figure = style.new_figure(height=3.9 if steep else 2.8)
        panels = figure.subplots(2 if steep else 1, 1, sharex=True, squeeze=False)[:, 0]
        strokes = style.strokes(slices if names is None else [*names, *slices])
        for name, found in slices.items():
            look: dict[str, Any] = dict(color=strokes[name].color, linestyle=strokes[name].linestyle, label=name)
            for axes, values in zip(panels, (found.loss, found.gradient_norm), strict=False):
                values = np.asarray(values, float)
                logged = axes is panels[-1] and steep
                axes.plot(
                    found.coordinates[0],
                    np.where(np.isfinite(values) & ((values > 0) | (not logged)), values, np.nan),
                    **look,
                )
        panels[0].set_ylabel("loss")
        if steep:
            panels[1].set_ylabel("gradient norm")
            panels[1].set_yscale("log")
        coordinates = np.concatenate([found.coordinates[0] for found in slices.values()])
        if np.ptp(coordinates) > 0:
            panels[-1].set_xlim(coordinates.min(), coordinates.max())
        panels[-1].set_xlabel(xlabel)
        panels[0].set_title(title or "")
        if len(slices) > 1:
            panels[0].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)
        style.settle(figure)
    return figure


def spectral_density_figure(
    densities: Mapping[str, SpectralDensity],
    *,
    width: float | None = None,
    names: Iterable[str] | None = None,
    title: str | None = None,
) -> Figure:
    """The density of the eigenvalues of Hessians, on a logarithmic axis: a bulk near zero, and what stands off from it.

    The axis ends at a density of less than one eigenvalue in ten thousand within the width of the blur.

    Args:
      densities: by name, from `spectral_density`.
      width: standard deviation of the Gaussian that blurs each node; `None` is a hundredth of the range of all.
      names: all names that share the palette; given the same, several figures show a name in the same colour.
      title: above the axes.

    Raises:
      InputError: nothing to draw.
    """
    checked_mapping("densities", densities)
    nodes = np.concatenate([np.ravel(np.asarray(found.nodes, float)) for found in densities.values()])
    nodes = nodes[np.isfinite(nodes)]
    low, high = (nodes.min(), nodes.max()) if nodes.size else (-1.0, 1.0)
    spread = high - low if high > low else 1.0
    blur = spread / 100 if width is None else width
    points = np.linspace(low - 5 * blur, high + 5 * blur, 1000)
    with style.applied():
        figure = style.new_figure()
        axes = figure.add_subplot()
        strokes = style.strokes(densities if names is None else [*names, *densities])
        axes.axvline(0, color=style.SOFT, linewidth=0.7)
        floor = 1e-4 / (blur * math.sqrt(2 * math.pi))
        top = floor * 10
        for name, found in densities.items():
            density = found.at(points, blur)
            top = max(top, np.nanmax(density, initial=0.0))
            look: dict[str, Any] = dict(color=strokes[name].color, linestyle=strokes[name].linestyle, label=name)
            axes.plot(points, np.where(density > floor / 10, density, np.nan), **look)
        axes.set_yscale("log")
        axes.set_ylim(floor, 2 * top)
        axes.set_xlim(points[0], points[-1])
        axes.set_xlabel(r"eigenvalue of the Hessian  $\lambda$")
        axes.set_ylabel("density")
        axes.set_title(title or "")
        if len(densities) > 1:
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)
        style.settle(figure)
    return figure


def _check_plane(found: Landscape) -> None:
    check(
        len(found.coordinates) == 2, "found", f"{len(found.coordinates)} direction", "a landscape over two directions"
    )


def _scale(values: np.ndarray) -> Any:
    """From values to colours: logarithmic if none is negative, most are positive, and they span more than a decade."""
    from matplotlib.colors import LogNorm, Normalize

    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    positive = finite[finite > 0]
    zeros = finite.size - positive.size
    if positive.size and low >= 0 and zeros < 0.5 * finite.size and high > 10 * positive.min():
        return LogNorm(max(positive.min(), high * 1e-12), high)
    return Normalize(low, high if high > low else low + 1)


def _map(axes: Axes, found: Landscape, values: np.ndarray, colours: str) -> Any:
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm

    norm = _scale(values)
    shades = colormaps[colours].with_extremes(bad=NOT_FINITE)
    low = float(norm.vmin) if isinstance(norm, LogNorm) else -math.inf  # pyright: ignore[reportArgumentType]
    shown = np.ma.masked_invalid(np.where(np.isfinite(values), np.maximum(values, low), values).T)
    mesh = axes.pcolormesh(*found.coordinates, shown, norm=norm, cmap=shades, shading="nearest", rasterized=True)
    axes.set_facecolor(NOT_FINITE)
    if min(values.shape) > 1:
        levels = _levels(norm)
        look: dict[str, Any] = dict(colors="white", linewidths=0.5, alpha=0.55)
        if len(levels):
            axes.contour(*found.coordinates, shown, levels=levels, **look)
    return mesh


def _levels(norm: Any) -> np.ndarray:
    """Heights of contour lines: each decade, or eight steps between."""
    from matplotlib.colors import LogNorm

    if isinstance(norm, LogNorm):
        first, last = math.ceil(math.log10(norm.vmin)), math.floor(math.log10(norm.vmax))  # pyright: ignore[reportArgumentType]
        return 10.0 ** np.arange(first, last + 1)
    return np.linspace(norm.vmin, norm.vmax, 10)[1:-1]
