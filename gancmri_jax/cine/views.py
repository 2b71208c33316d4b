"""Which of several cines is the four-chamber view: by words, by geometry, or by a chooser."""

import dataclasses
import math
import re
from collections.abc import Callable, Sequence

import numpy as np

from gancmri_jax.cine.dicom_frame import Frame
from gancmri_jax.cine.kinds import plain
from gancmri_jax.cine.series import Group, normal

FOUR, TWO, THREE, SHORT = "4-chamber", "2-chamber", "3-chamber", "short-axis"
WORDS = {
    FOUR: r"(?<!\d)4 ?(ch|cv|cav|cam|kam|k\b|kb\b|c\b|holte|komor|jam|odac|камер|h\b|rum)|"
    r"\b(four|vier|quattro|quatre|cuatro|quatro|fyra|fire) ?(ch|kam|cam|cav|cham|kamm)|a4c\b|"
    r"\bhla\b|horiz\w* long|horizontale lang|четыр\w+камер|四 ?(心)?腔|4 ?心?腔|사방|4방",
    TWO: r"(?<!\d)2 ?(ch|cv|cav|cam|kam|k\b|kb\b|c\b|holte|komor|jam|odac|камер|h\b|rum)|"
    r"\b(two|zwei|due|deux|dos|dois|duas|tva|to) ?(ch|kam|cam|cav|cham|kamm)|a2c\b|"
    r"\bvla\b|vert\w* long|vertikale lang|двух\w*камер|[两二兩] ?(心)?腔|2 ?心?腔",
    THREE: r"(?<!\d)3 ?(ch|cv|cav|cam|kam|k\b|kb\b|c\b|holte|komor|jam|odac|камер|h\b|rum)|"
    r"\b(three|drei|tre|trois|tres) ?(ch|kam|cam|cav|cham|kamm)|a3c\b|\blvot|\baplax\b|"
    r"outflow|ausfluss|трех\w*камер|三 ?(心)?腔|3 ?心?腔",
    SHORT: r"\bsax|\bsa\b|\bshax|short ?ax|kurz\w* ?ach|kurzachs|\bka\b|petit axe|asse corto|"
    r"eje corto|eixo curto|kort\w* ax|korte as|коротк|短 ?[轴軸]|단축|\bsa \d",
    "right ventricle": r"\brvot|\brv ?la\b|\brv ?(in|out)flow",
    "aorta and valves": r"\baort|\bao ?(v|valve|root|arch|asc)|\bav ?(valve|en face)|\bpulm",
    "axial, coronal or sagittal": r"\baxial|\btransv|\btra\b|\bcoronal|\bcor\b|\bsagit|\bsag\b",
}
SAME_PLANE = math.cos(math.radians(15))
STACK = 4  # parallel slices from which on they are a stack, as the short axis is covered
ACROSS = 0.5  # of the cosine of a long-axis plane's normal with the short axis's
LEAST_AXIAL = 0.45  # upward part of the normal of a four-chamber plane
CLEAR, FAIR = 0.3, 0.12  # by how much the upward part leads

Chooser = Callable[[Sequence[Sequence[Frame]]], int | None]


@dataclasses.dataclass(frozen=True)
class Choice:
    """Which groups are taken as the four-chamber view.

    Attributes:
        taken: Those to use.
        left: Those that are not, each with what it is, a noun in the plural.
        reason: Why, where there was something to choose; for people to read.
        refusal: Why nothing can be taken, and what to do.
    """

    taken: tuple[Group, ...]
    left: tuple[tuple[Group, str], ...] = ()
    reason: str = ""
    refusal: str = ""


def view_of(description: str) -> str | None:
    """Return the view that a description names; None where it names none, or several."""
    words = plain(description)
    found = [view for view, pattern in WORDS.items() if re.search(pattern, words)]
    chambers = [view for view in found if view in (FOUR, TWO, THREE)]
    if len(chambers) == 1:
        return chambers[0]
    return found[0] if len(found) == 1 else None


def name_of(group: Group) -> str:
    """Return a series as people know it: its number and description."""
    said = " ".join(group.first.description.split())
    number = f"{group.first.series_number:g}" if group.first.series_number else ""
    return " ".join(part for part in ("series", number, f"'{said}'" if said else "") if part)


def by_hand(groups: Sequence[Group], pattern: str) -> Choice:
    """Take the series whose number and description a regular expression is found in."""
    expression = re.compile(pattern, re.IGNORECASE)

    def fits(group: Group) -> bool:
        number, said = f"{group.first.series_number:g}", group.first.description
        return bool(expression.search(f"{number} {said}") or expression.search(plain(said)))

    taken = tuple(group for group in groups if fits(group))
    left = tuple((g, "series that --series does not name") for g in groups if g not in taken)
    refusal = ""
    if not taken:
        refusal = f"holds no series that --series {pattern} names, but {_list(groups)}"
    return Choice(taken, left, "as --series says" if left and taken else "", refusal)


def four_chamber(groups: Sequence[Group], chooser: Chooser | None = None) -> Choice:
    """Choose the four-chamber view among the cines of one examination.

    Args:
        groups: Cines.
        chooser: Is asked, with each cine's frames, which one it is, where neither words nor
            geometry say; it may answer None.
    """
    views = [view_of(group.first.description) for group in groups]
    if FOUR in views:
        taken = tuple(g for g, view in zip(groups, views, strict=True) if view == FOUR)
        reason = "as the 4-chamber view, by its description" if len(taken) < len(groups) else ""
        return Choice(taken, _left(groups, taken), reason)
    others = tuple(g for g, view in zip(groups, views, strict=True) if view is None)
    if groups and not others:
        return Choice(
            (),
            _left(groups, ()),
            refusal=f"holds no four-chamber cine, but {_list(groups)}; --series takes one by name",
        )
    planes = _planes(others)
    if len(planes) == 1 and len(others) == len(groups):
        several = len({g.first.position_mm for g in others}) > 2
        reason = (
            f"as one of {len(others)} parallel slices, none described as 4-chamber"
            if several
            else ""
        )
        return Choice(others, reason=reason)
    return _by_geometry(groups, planes, chooser)


def _by_geometry(
    groups: Sequence[Group], planes: Sequence[Sequence[Group]], chooser: Chooser | None
) -> Choice:
    """Take the plane that lies most nearly axial among those along the heart."""
    if any(not normal(plane[0].first).any() for plane in planes):
        return _ask(groups, planes, chooser, "headers say neither view nor plane")
    axes = [
        normal(group.first) for group in groups if view_of(group.first.description) == SHORT
    ] or [normal(plane[0].first) for plane in planes if _is_stack(plane)]
    along = [
        plane
        for plane in planes
        if not _is_stack(plane) and all(abs(normal(plane[0].first) @ a) < ACROSS for a in axes)
    ]
    along = along or [plane for plane in planes if not _is_stack(plane)] or list(planes)
    ranked = sorted(along, key=lambda plane: -abs(normal(plane[0].first)[2]))
    best = abs(normal(ranked[0][0].first)[2])
    second = abs(normal(ranked[1][0].first)[2]) if len(ranked) > 1 else 0.0
    lead = best - second
    if best < LEAST_AXIAL or lead < FAIR:
        return _ask(groups, ranked, chooser, f"planes are {best:.2f} and {second:.2f} axial")
    sure = "clearly" if lead >= CLEAR else "probably"
    return Choice(
        tuple(ranked[0]),
        _left(groups, ranked[0]),
        f"as the 4-chamber view, {sure} by its geometry ({best:.2f} axial, the next {second:.2f})",
    )


def _ask(
    groups: Sequence[Group],
    planes: Sequence[Sequence[Group]],
    chooser: Chooser | None,
    why: str,
) -> Choice:
    """Let the chooser say which plane it is, where there is one."""
    middle = [plane[len(plane) // 2] for plane in planes]
    index = chooser([group.frames for group in middle]) if chooser else None
    if index is not None:
        taken = tuple(planes[index])
        return Choice(taken, _left(groups, taken), "as the 4-chamber view, by its pictures")
    return Choice(
        (),
        _left(groups, ()),
        refusal=f"holds several cines, and which is the four-chamber view is not clear ({why}): "
        f"{_list(groups)}; --series takes one by name or number",
    )


def _planes(groups: Sequence[Group]) -> list[list[Group]]:
    """Divide cines by the direction of their planes."""
    planes: list[list[Group]] = []
    for group in groups:
        across = normal(group.first)
        for plane in planes:
            other = normal(plane[0].first)
            if abs(across @ other) > SAME_PLANE or not (across.any() or other.any()):
                plane.append(group)
                break
        else:
            planes.append([group])
    return planes


def _is_stack(plane: Sequence[Group]) -> bool:
    across = normal(plane[0].first)
    depths = {round(float(np.dot(across, group.first.position_mm))) for group in plane}
    return len(depths) >= STACK


def _left(groups: Sequence[Group], taken: Sequence[Group]) -> tuple[tuple[Group, str], ...]:
    left = []
    for group in groups:
        if group not in taken:
            view = view_of(group.first.description)
            what = f"cines of another view ({view})" if view else "cines of another view"
            left.append(
                (group, "cines of the 4-chamber view, not chosen" if view == FOUR else what)
            )
    return tuple(left)


def _list(groups: Sequence[Group]) -> str:
    in_order = sorted(groups, key=lambda group: group.first.series_number)
    names = list(dict.fromkeys(name_of(group) for group in in_order))
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more
