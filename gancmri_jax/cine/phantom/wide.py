"""Wide imaging: the frames, contrasts, organs and artefacts that real cines come with.

Every factor spreads about what the normal population has, in proportion to a width: 0 nearly gives
the normal population's imaging, 1 the widest. `docs/phantom.md` lists what width 1 draws.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from gancmri_jax.cine.phantom.anatomy import Imaging, Subject
from gancmri_jax.cine.phantom.chance import Chance
from gancmri_jax.cine.phantom.contrast import TISSUES
from gancmri_jax.cine.phantom.heart import heart
from gancmri_jax.cine.phantom.motion import pose
from gancmri_jax.cine.phantom.picture import label
from gancmri_jax.cine.phantom.scanner import ACQUIRED_MM, turned
from gancmri_jax.cine.phantom.shapes import Field
from gancmri_jax.cine.phantom.thorax import chest_coordinates, inside_ribs

USUAL_SHARE = 0.55  # of the frame that the heart takes, along its longer side
SHARES = (0.25, 0.90)  # at width 1
FARTHEST_MM = 60.0  # of the heart's middle from the frame's
NUM_VEINS = 18  # of a liver
NUM_WIRES = 3  # of a sternum that are in the slice

_SEARCH = 128  # points a side of the grid on which a heart's box is found …
_REACH_MM = 190.0  # … which spans this much to each side of where it lies


@partial(jax.jit, static_argnames="width")
def draw_imaging(key: PRNGKeyArray, subject: Subject, width: float = 1.0) -> Subject:
    """Give a subject an imaging of its own; the heart's geometry and beat stay as they are."""
    chance = Chance(key)
    far = max(0.0, 2 * width - 1)  # what a modest width does not do at all

    def even(name: str, spread: float, shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        return width * chance.uniform(name, -spread, spread, shape)

    def factor(name: str, spread: float, shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        return jnp.exp(even(name, spread, shape))

    def rare(name: str, probability: float, low: float, high: float) -> Float[Array, ""]:
        """Draw what only some subjects have; the others have −1."""
        there = chance.happens(name, probability * width)
        return jnp.where(there, chance.uniform(name, low, high), -1.0)

    # The frame.
    anyhow = chance.happens("turned", 0.4 * far)
    rotation = jnp.where(anyhow, chance.uniform("turn", -180, 180), even("tilt", 25.0))
    mirrored = chance.happens("mirrored", 0.25 * far)
    x, y, inside = _heart_at_ed(subject)
    low, high = _box(x, y, inside, rotation, mirrored)
    extent_mm = jnp.max(high - low)
    narrow, broad = USUAL_SHARE - SHARES[0], SHARES[1] - USUAL_SHARE
    side = chance.uniform("share", -1, 1)
    share = USUAL_SHARE + width * side * jnp.where(side < 0, narrow, broad)
    fov_mm = extent_mm / share
    slack_mm = (fov_mm - (high - low)) / 2
    cropped = 0.15 * extent_mm * chance.happens("cropped", 0.25 * width)
    offset = even("offset", 0.8, (2,)) * (jnp.minimum(slack_mm, FARTHEST_MM) + cropped)
    middle = jnp.stack(turned(rotation, mirrored, *((low + high) / 2 - offset))) + subject.heart_mm
    # A frame acquired short on one side still shows the heart.
    needed = (high - low + 2 * jnp.abs(offset)) / fov_mm - 0.3 * cropped / extent_mm
    short = jnp.maximum(chance.uniform("aspect", 0.65, 1, (2,)), needed)
    sides = jnp.where(chance.happens("upright", 0.5), jnp.arange(2) == 0, jnp.arange(2) == 1)
    aspect = jnp.where(sides & chance.happens("short", 0.4 * width), short, 1.05)

    # Signal. Some sequences leave little of what is no blood.
    faint = jnp.where(chance.happens("faint", 0.2 * width), chance.uniform("faint", 0.25, 0.7), 1.0)
    tissues = faint * factor("tissues", 0.35, (len(TISSUES),))
    names = list(TISSUES)
    tissues = tissues.at[names.index("fat")].multiply(factor("fat", 0.45))
    tissues = tissues.at[names.index("lung")].multiply(factor("lung", 0.7))
    tissues = tissues.at[names.index("blood")].set(1.0)
    muscle = names.index("myocardium")
    tissues = tissues.at[muscle].set(jnp.clip(factor("myocardium", 0.35), 0.6, 1.45))
    right = jnp.asarray([0.0, 1.0, 0.0, 1.0])
    chambers = factor("chambers", 0.22, (4,)) * jnp.exp(right * even("right heart", 0.45))
    dark = jnp.where(chance.happens("dark", 0.35 * width), chance.uniform("dark", 0.45, 0.8), 1.0)
    left = jnp.asarray([1.0, 0.0, 0.6, 0.0])
    chambers_es = factor("chambers at ES", 0.15, (4,)) * dark**left
    crossing = jnp.where(chance.happens("bands", 0.4 * width), 2.0, 1.0)
    spreads = jnp.asarray([0.10, 0.20, 0.20, 0.14, 0.14, 0.06])

    # Around the heart.
    fat = subject.epicardial_fat_mm * factor("epicardial fat", 0.9)
    liver = jnp.stack(
        [
            -82.0 + even("liver right", 22.0),
            -8.0 + even("liver down", 40.0),
            *jnp.where(
                chance.happens("no liver", 0.15),
                -1.0,
                jnp.stack([52.0 + even("liver wide", 34.0), 55.0 + even("liver deep", 38.0)]),
            ),
        ]
    )
    stomach = jnp.stack(
        [
            chance.uniform("stomach right", 62, 92),
            chance.uniform("stomach down", -15, 45),
            rare("stomach", 0.35, 20.0, 44.0),
            chance.uniform("stomach deep", 18, 38),
        ]
    )
    wired = chance.happens("wires", 0.2 * width)
    wires = jnp.stack(
        [
            chance.uniform("wires right", -16, 16, (NUM_WIRES,)),
            chance.uniform("wires down", -6, 8, (NUM_WIRES,)),
            jnp.where(wired, chance.uniform("wires wide", 3, 9, (NUM_WIRES,)), -1.0),
        ],
        axis=1,
    )
    waves = chance.uniform("lumps", 0, 1, (3, 4))
    lumps = jnp.stack(
        [width * 0.07 * (2 * waves[:, 0] - 1), waves[:, 1], 35.0 + 50.0 * waves[:, 2], waves[:, 3]],
        axis=1,
    )

    def jet(name: str, probability: float) -> Float[Array, ""]:
        return jnp.maximum(rare(name, probability, 0.3, 0.9), 0.0)

    imaging = Imaging(
        rotation_degrees=rotation,
        mirrored=mirrored,
        centre_mm=middle,
        aspect=aspect,
        tissues=tissues,
        chambers=chambers,
        chambers_es=chambers_es,
        layers=even("layers", 0.3, (4,)),
        edge_mm=1.5 + width * chance.uniform("edge", -0.9, 2.2),
        resolution_mm=ACQUIRED_MM * factor("resolution", 0.35, (2,)),
        level=factor("level", 1.4),
        coil_mm=chance.uniform("coil at", -150, 150, (2,)),
        coil=width * chance.uniform("coil", 0, 1.2),
        off_resonance=width * crossing * spreads * chance.uniform("field", -1, 1, (6,)),
        inflow=jnp.clip(0.28 + even("inflow", 0.5), 0.05, 0.8),
        mitral_jet=jet("mitral jet", 0.25),
        tricuspid_jet=jet("tricuspid jet", 0.25),
        aortic_jet=jet("aortic jet", 0.15),
        effusion_mm=jnp.maximum(rare("effusion", 0.25, 3.0, 22.0), 0.0),
        effusion_degrees=chance.uniform("effusion at", -180, 180),
        lumps=lumps,
        chest_scale=jnp.maximum(factor("chest", 0.15), _needed(subject, x, y, inside)),
        chest_warp_mm=width * chance.uniform("warp", 0, 5),
        liver=liver,
        liver_vessels=chance.uniform("liver vessels", 0, 1, (NUM_VEINS, 4)),
        stomach=stomach,
        stomach_filling=chance.uniform("stomach holds", 0.1, 1.1),
        stomach_level=chance.uniform("stomach level", -1.5, 0.8),
        spleen_mm=rare("spleen", 0.35, 18.0, 40.0),
        arms_mm=jnp.stack([rare("right arm", 0.5, 30.0, 48.0), rare("left arm", 0.5, 30.0, 48.0)]),
        wires=wires,
    )
    return subject._replace(
        fov_mm=fov_mm,
        noise=subject.noise * factor("noise", 0.9),
        coil_anterior=subject.coil_anterior * factor("coil anterior", 0.6),
        coil_side=subject.coil_side * (1 + 2 * width),
        epicardial_fat_mm=jnp.minimum(fat, 8.0),
        subcutaneous_fat_mm=subject.subcutaneous_fat_mm * factor("subcutaneous fat", 0.7),
        trabeculation=subject.trabeculation * factor("trabeculation", 0.5),
        papillary=subject.papillary * factor("papillary", 0.4),
        imaging=imaging,
    )


@jax.jit
def heart_share(subject: Subject) -> Float[Array, ""]:
    """Return the share of the frame that the heart takes at ED, along its longer side."""
    assert subject.imaging is not None
    plain = subject._replace(imaging=None)
    imaging = subject.imaging
    low, high = _box(*_heart_at_ed(plain), imaging.rotation_degrees, imaging.mirrored)
    return jnp.max(high - low) / subject.fov_mm


def _heart_at_ed(subject: Subject) -> tuple[Field, Field, Bool[Array, "..."]]:
    """Return a grid about where the heart lies, in millimetres, and which of it is heart at ED."""
    at = jnp.linspace(-_REACH_MM, _REACH_MM, _SEARCH)
    x, y = jnp.meshgrid(at, at)
    right, down = subject.heart_mm
    return x, y, label(heart(subject, pose(subject, jnp.zeros(())), x + right, y + down)) > 0


def _box(
    x: Field,
    y: Field,
    inside: Bool[Array, "..."],
    rotation: Float[Array, ""],
    mirrored: Bool[Array, ""],
) -> tuple[Float[Array, "2"], Float[Array, "2"]]:
    """Return the lowest and the highest corner of what is inside, in a turned frame's axes."""
    # Turning back and then mirroring undoes `turned`.
    across, down = turned(-rotation, jnp.zeros((), bool), x, y)
    axes = (jnp.where(mirrored, -across, across), down)
    low = jnp.stack([jnp.min(jnp.where(inside, axis, jnp.inf)) for axis in axes])
    high = jnp.stack([jnp.max(jnp.where(inside, axis, -jnp.inf)) for axis in axes])
    return low, high


def _needed(subject: Subject, x: Field, y: Field, inside: Bool[Array, "..."]) -> Float[Array, ""]:
    """Return how large the chest must be for the heart to lie between its ribs."""
    right, down = subject.heart_mm
    chest = chest_coordinates(subject, x + right, y + down)
    return jnp.max(jnp.where(inside, 1 + inside_ribs(subject, *chest), 0.0))
